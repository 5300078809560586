"""Lives through registration, discovery and departure with each of the PyPI clients. Prints one line for each that got
everything right."""

import asyncio
import json
import os
import time
import urllib.request
from importlib.metadata import version

URL = os.environ["EUREKA_URL"]
NAME, SECRET = os.environ["EUREKA_NAME"], os.environ["EUREKA_SECRET"]
WITH_LOGIN = URL.replace("://", f"://{NAME}:{SECRET}@")


def statuses(app):
    """What the server itself says, without any of the clients."""
    request = urllib.request.Request(f"{URL}apps", headers={"Accept": "application/json"})
    with urllib.request.urlopen(request) as answer:
        applications = json.load(answer)["applications"]["application"]
    return [i["status"] for a in applications if a["name"] == app for i in a["instance"]]


async def until(what, condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, f"not in time: {what}"
        await asyncio.sleep(0.02)


async def py_eureka_client():
    from py_eureka_client.eureka_client import EurekaClient

    def client(app, **more):
        return EurekaClient(
            eureka_server=WITH_LOGIN, app_name=app, instance_port=1, renewal_interval_in_secs=1, duration_in_secs=5, **more
        )

    reader, writer = client("py-reader"), client("py-writer", metadata={"zone": "a_b$c"})
    await reader.start()
    await writer.start()

    def seen():
        found = reader.applications.get_application("PY-WRITER") if reader.applications else None
        return found.up_instances if found else []

    await until("seen", seen)
    assert seen()[0].metadata["zone"] == "a_b$c", seen()[0].metadata
    await asyncio.sleep(6.5)
    assert statuses("PY-WRITER") == ["UP"], "its heartbeats keep it alive beyond its lease"
    await writer.status_update("OUT_OF_SERVICE")
    assert statuses("PY-WRITER") == ["OUT_OF_SERVICE"]
    await until("out of service", lambda: not seen())
    await writer.delete_status_override()
    await until("back", seen)
    await writer.stop()
    # Its thread goes on beating and will register it again: what matters is that the departure was accepted.
    assert statuses("PY-WRITER") == []
    await reader.stop()


async def spring_ready():
    from spring_ready.eureka.client import EurekaClient
    from spring_ready.eureka.instance import InstanceInfo, InstanceStatus

    client = EurekaClient([WITH_LOGIN])
    app, instance_id = "SPRING-READY", "127.0.0.1:spring-ready:9002"
    me = InstanceInfo(
        app=app,
        instance_id=instance_id,
        host_name="127.0.0.1",
        ip_addr="127.0.0.1",
        vip_address="spring-ready",
        secure_vip_address="spring-ready",
        port=9002,
        health_check_url="http://127.0.0.1:9002/actuator/health",
    )
    client.register(me)
    client.send_heartbeat(app, instance_id)
    found = client.get_application(app)
    assert json.dumps(found).count(instance_id) == 1, found
    assert json.dumps(client.get_applications()).count(instance_id) == 1
    client.update_status(app, instance_id, InstanceStatus.OUT_OF_SERVICE)
    assert statuses(app) == ["OUT_OF_SERVICE"]
    client.deregister(app, instance_id)
    assert statuses(app) == []


async def main():
    for name, life in [("py-eureka-client", py_eureka_client), ("spring-ready-python", spring_ready)]:
        await life()
        print(f"ok {name} {version(name)}", flush=True)


asyncio.run(main())
