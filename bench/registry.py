"""How soon the fleet knows of an instance that starts or dies, and what a large registry costs."""

import argparse
import base64
import http.client
import json
import os
import pathlib
import secrets
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from contest import free_port, free_ports, registration, stat

HERE = pathlib.Path(__file__).parent
APP, RENEWAL_S, LEASE_S = "USER-SERVICE", 5, 15
# A request that the gateway may send to a second instance, and one that it may not.
SAFE, UNSAFE = ("GET", "/.well-known/jwks.json"), ("POST", "/token/refresh")
INSTANCES, APPS, FLOOD = 10_000, 50, 100_000


class Server:
    """A process of the fleet on a port of its own; `with` stops it again."""

    def __init__(self, run, name, command, environment, ready):
        self.port = int(environment[f"{name.upper().replace('-', '_')}_PORT"])
        log = open(pathlib.Path(run) / f"{name}.out", "wb")
        self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **environment})
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            until(f"{name} is ready", lambda: self.ask("GET", ready)[0] == 200)
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def ask(self, method, path, document=None, headers=None):
        """Status and body; status 0 if there was no answer."""
        body = json.dumps(document) if document is not None else None
        try:
            self.connection.request(method, path, body, {"Content-Type": "application/json", **(headers or {})})
            answer = self.connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            return 0, b""

    def memory(self):
        """Resident, in MiB."""
        pages = int(pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def processor(self):
        """Seconds used so far."""
        return sum(map(int, stat(self.process.pid)[13:15])) / os.sysconf("SC_CLK_TCK")


class Registry(Server):
    def __init__(self, run, binaries, **settings):
        self.secret = secrets.token_hex(16)
        port = str(free_port())
        environment = {
            "DISCOVERY_SERVER_PORT": port, "LOG_LEVEL": "error", "SERVICE_SECRET": self.secret,
            "DISCOVERY_CREDENTIALS": f"admin:{self.secret},user-service:{self.secret}", **settings,
        }
        super().__init__(run, "discovery-server", [f"{binaries}/discovery-server"], environment, "/livez")

    def authorization(self, name):
        return "Basic " + base64.b64encode(f"{name}:{self.secret}".encode()).decode()

    def write(self, method, path, document=None):
        return self.ask(method, path, document, {"Authorization": self.authorization("admin")})[0]

    def register(self, instance_id, port):
        return self.write("POST", f"/eureka/apps/{APP}", registration(APP, instance_id, port, RENEWAL_S, LEASE_S))

    def size(self):
        _, body = self.ask("GET", "/eureka/status", headers={"Accept": "application/json"})
        return int(json.loads(body)["applicationStats"]["instances"])

    def wrk(self, seconds, name, *arguments):
        command = ["wrk", "-t1", "-c16", f"-d{seconds}s", "--timeout", "10s", "-s", str(HERE / "scenarios/registry.lua"),
                   f"http://127.0.0.1:{self.port}", "--", arguments[0], self.authorization(name), *map(str, arguments[1:])]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        line = next(line for line in output.splitlines() if line.startswith("RESULT "))
        return json.loads(line.removeprefix("RESULT "))


def gateway(run, binaries, registry):
    environment = {
        "API_GATEWAY_PORT": str(free_port()), "GATEWAY_RATE_LIMIT_SCALE": "1000000", "LOG_LEVEL": "error",
        "EUREKA_URL": f"http://admin:{registry.secret}@127.0.0.1:{registry.port}/eureka/",
        "SERVICE_SECRET": registry.secret,
    }
    return Server(run, "api-gateway", [f"{binaries}/api-gateway"], environment, "/livez")


def instances(*ports):
    process = subprocess.Popen([sys.executable, HERE / "instance.py", *map(str, ports)], stdout=subprocess.PIPE)
    process.stdout.readline()
    return process


def until(what, condition, pause=0.05, patience=60):
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"not in time: {what}")
        time.sleep(pause)


def starts(registry, gateway, count):
    """Seconds from sending a registration to the first routed answer, and from a departure to the last one."""
    ports = free_ports(count)
    process = instances(*ports)
    came, left = [], []
    status = lambda: gateway.ask(*UNSAFE, document={})[0]
    try:
        for number, port in enumerate(ports):
            until("nobody is routed to", lambda: status() == 503)
            begun = time.monotonic()
            assert registry.register(f"start:{number}", port) == 204
            until("routed", lambda: status() == 200, pause=0)
            came.append(time.monotonic() - begun)
            begun = time.monotonic()
            assert registry.write("DELETE", f"/eureka/apps/{APP}/start:{number}") == 200
            until("no longer routed", lambda: status() == 503, pause=0)
            left.append(time.monotonic() - begun)
    finally:
        process.kill()
    return came, left


def kill(registry, gateway, request, number):
    """One of two instances dies. Failed answers, seconds until the last of them, seconds until the registry drops it."""
    ports = free_ports(2)
    processes, keys = [instances(port) for port in ports], [f"kill:{number}:{side}" for side in (0, 1)]
    paths = [f"/eureka/apps/{APP}/{key}" for key in keys]
    stopped = threading.Event()
    try:
        for key, port in zip(keys, ports):
            assert registry.register(key, port) == 204
        # Both are used, and connections to both are open.
        until("both are routed to", lambda: all(gateway.ask(*request, document={})[0] == 200 for _ in range(50)))
        threading.Thread(target=renew, args=(registry, paths[1], stopped), daemon=True).start()
        processes[0].kill()
        killed = time.monotonic()
        failures, last = 0, 0.0
        while time.monotonic() - killed < 3:
            if gateway.ask(*request, document={})[0] != 200:
                failures, last = failures + 1, time.monotonic() - killed
            time.sleep(0.002)
        until("dropped", lambda: registry.ask("GET", paths[0])[0] == 404)
        return failures, last, time.monotonic() - killed
    finally:
        stopped.set()
        for process in processes:
            process.kill()
        for path in paths:
            registry.write("DELETE", path)
        until("nobody is routed to", lambda: gateway.ask(*request, document={})[0] == 503)


def renew(registry, path, stopped):
    """Keep a lease as its instance would, until told to stop."""
    connection = http.client.HTTPConnection("127.0.0.1", registry.port, timeout=10)
    headers = {"Authorization": registry.authorization("admin")}
    while not stopped.wait(RENEWAL_S):
        connection.request("PUT", path, headers=headers)
        connection.getresponse().read()


def fetch(registry, accept, encoding):
    begun = time.monotonic()
    _, body = registry.ask("GET", "/eureka/apps", headers={"Accept": accept, "Accept-Encoding": encoding})
    return len(body) / 1024, (time.monotonic() - begun) * 1000


def large(registry, seconds):
    """What ten thousand instances cost, as lines of a table."""
    lines = [f"| memory, empty | {registry.memory():.0f} MiB |"]
    begun, known = time.monotonic(), 0
    while known < INSTANCES:
        # Those that were under way when the time was over are sent again.
        result = registry.wrk(1, "admin", "registrations", INSTANCES, APPS, "bench", max(known - 64, 0))
        assert result["status_errors"] == 0, result
        known = registry.size()
    lines.append(f"| {INSTANCES} registrations | {time.monotonic() - begun:.0f} s |")
    lines.append(f"| memory with {INSTANCES} instances | {registry.memory():.0f} MiB |")
    for accept, encoding in [("application/json", "identity"), ("application/xml", "identity"), ("application/json", "gzip")]:
        registry.write("PUT", f"/eureka/apps/SERVICE-0/bench:0/metadata?turn={time.monotonic()}")
        (size, first), (_, again) = fetch(registry, accept, encoding), fetch(registry, accept, encoding)
        lines.append(f"| full fetch, {accept}, {encoding}: {size:.0f} KiB | {first:.0f} ms after a change, then {again:.0f} ms |")
    before = registry.processor()
    result = registry.wrk(seconds, "admin", "heartbeats", INSTANCES, APPS, "bench")
    assert result["status_errors"] == 0, result
    used = (registry.processor() - before) / result["requests"]
    lines.append(f"| heartbeats, 16 connections | {result['requests'] / result['seconds']:.0f}/s |")
    lines.append(f"| processor time of a heartbeat | {used * 1e6:.1f} us; {INSTANCES} instances at 30 s: {used * INSTANCES / 30 * 100:.1f} % of a core |")
    lines.append(f"| memory afterwards | {registry.memory():.0f} MiB |")
    return lines


def flooded(registry, count):
    """One credential registers ever new instances; another's goes on being served."""
    assert registry.write("POST", "/eureka/apps/REAL", registration("REAL", "real", 8081, 5, 600)) == 204
    sent, refused, turn = 0, 0, 0
    while sent < count:
        result = registry.wrk(2, "user-service", "registrations", count, 0, f"flood-{turn}")
        sent, refused, turn = sent + result["requests"], refused + result["status_errors"], turn + 1
        assert registry.write("PUT", "/eureka/apps/REAL/real") == 200
    assert registry.write("POST", "/eureka/apps/REAL", registration("REAL", "another", 8082, 5, 600)) == 204
    return [f"| {sent} registrations by one credential: taken in | {sent - refused} |", f"| memory after them | {registry.memory():.0f} MiB |"]


def percentiles(name, seconds):
    at = lambda share: sorted(seconds)[min(int(len(seconds) * share), len(seconds) - 1)] * 1000
    return f"| {name} | {len(seconds)} | {at(0.5):.1f} | {at(0.99):.1f} | {at(1):.1f} |"


def kills(registry, gateway, count):
    lines = []
    for title, request in [("GET, which may be repeated", SAFE), ("POST, which may not", UNSAFE)]:
        failures, last, dropped = zip(*(kill(registry, gateway, request, number) for number in range(count)))
        lines.append(f"| {title} | {count} | {statistics.mean(failures):.2f} | {max(failures)} | {max(last) * 1000:.0f} | {statistics.median(dropped):.1f} | {max(dropped):.1f} |")
    return lines


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--binaries", required=True)
    arguments.add_argument("--short", action="store_true")
    options = arguments.parse_args()
    count, deaths, seconds, flood = (10, 1, 1, 2_000) if options.short else (200, 5, 10, FLOOD)
    with tempfile.TemporaryDirectory(prefix="bench-registry-") as run:
        with Registry(run, options.binaries) as small, gateway(run, options.binaries, small) as routing:
            came, left = starts(small, routing, count)
            dead = kills(small, routing, deaths)
        with Registry(run, options.binaries, DISCOVERY_REGISTRATIONS_PER_MINUTE="10000000") as many:
            cost = large(many, seconds)
        with Registry(run, options.binaries) as besieged:
            siege = flooded(besieged, flood)
    load = f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} at the end"
    text = "\n".join([
        "### A new and a leaving instance, as the gateway routes", "",
        "| | times | p50 ms | p99 ms | longest ms |", "|---|---:|---:|---:|---:|",
        percentiles("registration to the first routed answer", came), percentiles("departure to the last routed answer", left), "",
        f"### One of two instances is killed (kill -9; lease {LEASE_S} s, renewed every {RENEWAL_S} s)", "",
        "| requests during it | times | failed answers, mean | at most | last failure after, ms | dropped by the registry after s, median | at most |",
        "|---|---:|---:|---:|---:|---:|---:|", *dead, "",
        "### A large registry", "", "| | |", "|---|---:|", *cost, "",
        "### A flood", "", "| | |", "|---|---:|", *siege, "",
    ])
    print(text)
    if not options.short:
        kept = HERE / "results"
        kept.mkdir(exist_ok=True)
        (kept / "registry.md").write_text(f"Measured {time.strftime('%Y-%m-%d')}, {load}.\n\n{text}")


if __name__ == "__main__":
    main()
