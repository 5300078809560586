"""Starting the contestants, each on one core, and looking at what they use."""

import base64
import contextlib
import json
import os
import pathlib
import secrets
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

CONTEST_CORE, OTHER_CORE = "0", "1"
APPS = ["USER-SERVICE", "APPOINTMENT-SERVICE", "MEDICAL-RECORD-SERVICE", "NOTIFICATION-SERVICE"]
ANSWER = json.dumps({"items": [{"id": f"0190c3a0-0000-7000-8000-{n:012}", "status": "BOOKED"} for n in range(7)]})


def free_ports(count):
    """As many different ones: looked for one by one, the same could be found twice."""
    with contextlib.ExitStack() as probes:
        found = [probes.enter_context(socket.socket()) for _ in range(count)]
        for probe in found:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in found]


def free_port():
    return free_ports(1)[0]


class Contest:
    """Everything that runs during the comparison; `with` stops it again."""

    def __init__(self, run, binaries, keys):
        self.run, self.binaries, self.keys = pathlib.Path(run), pathlib.Path(binaries), keys
        names = ["upstream", "nginx", "haproxy_hs256", "haproxy_es256", "discovery", "cached", "uncached", "limited"]
        self.ports = dict(zip(names, free_ports(len(names))))
        self.ports["direct"] = self.ports["upstream"]
        self.processes, self.stopped = {}, threading.Event()
        self.credential = f"admin:{secrets.token_hex(16)}"

    def __enter__(self):
        try:
            self.start_peers()
            self.start_registry()
            self.start_gateway("cached", {})
            self.start_gateway("uncached", {"GATEWAY_TOKENS_CACHE_ENTRIES": "0"})
            self.start_gateway("limited", {"GATEWAY_RATE_LIMIT_SCALE": "1"})
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()

    def spawn(self, name, core, command, environment=None):
        log = open(self.run / f"{name}.out", "wb")
        pinned = ["taskset", "-c", core, *command] if os.cpu_count() > 1 else command
        self.processes[name] = subprocess.Popen(
            pinned, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **(environment or {})}
        )

    def configured(self, file):
        """A peer's configuration with the ports and paths of this run."""
        text = (pathlib.Path(__file__).parent / "peers" / file).read_text()
        values = {**self.ports, "run": self.run, "answer": ANSWER, "hs256_secret": self.keys.secret}
        for key, value in values.items():
            text = text.replace(f"@{key}@", str(value))
        path = self.run / file
        path.write_text(text)
        return str(path)

    def start_peers(self):
        (self.run / "large").write_bytes(bytes(1_000_000))
        self.spawn("upstream", OTHER_CORE, ["nginx", "-c", self.configured("upstream.conf")])
        self.spawn("nginx", CONTEST_CORE, ["nginx", "-c", self.configured("nginx.conf")])
        self.spawn("haproxy", CONTEST_CORE, ["haproxy", "-db", "-f", self.configured("haproxy.cfg")])
        for name in ["upstream", "nginx", "haproxy_hs256", "haproxy_es256"]:
            self.wait_for(name, "/")

    def start_registry(self):
        port = self.ports["discovery"]
        environment = {
            "DISCOVERY_CREDENTIALS": self.credential,
            "DISCOVERY_SERVER_PORT": str(port),
            "SERVICE_SECRET": secrets.token_hex(16),
        }
        self.spawn("discovery", OTHER_CORE, [str(self.binaries / "discovery-server")], environment)
        self.wait_for("discovery", "/livez")
        self.register()
        threading.Thread(target=self.keep_registered, daemon=True).start()

    def register(self):
        for app in APPS:
            port = self.ports["upstream"]
            self.registry("POST", f"/eureka/apps/{app}", registration(app, f"bench:{port}", port, 5, 30))

    def keep_registered(self):
        while not self.stopped.wait(5):
            for app in APPS:
                try:
                    self.registry("PUT", f"/eureka/apps/{app}/bench:{self.ports['upstream']}")
                except OSError:
                    pass

    def registry(self, method, path, document=None):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.ports['discovery']}{path}",
            method=method, data=json.dumps(document).encode() if document else None,
            headers={"Content-Type": "application/json", "Authorization": f"Basic {base64.b64encode(self.credential.encode()).decode()}"},
        )
        urllib.request.urlopen(request, timeout=5).close()

    def start_gateway(self, name, changes):
        environment = {
            "API_GATEWAY_PORT": str(self.ports[name]),
            "GATEWAY_WORKERS": "1",
            "GATEWAY_RATE_LIMIT_SCALE": "1000000",
            "EUREKA_URL": f"http://{self.credential}@127.0.0.1:{self.ports['discovery']}/eureka/",
            "SERVICE_SECRET": secrets.token_hex(16),
            "AUTH_ISSUER_URL": f"http://127.0.0.1:{self.ports['upstream']}",
            "AUTH_JWKS_URL": f"http://127.0.0.1:{self.ports['upstream']}/.well-known/jwks.json",
            "AUTH_MAX_LIFETIME_S": "86400",
            "LOG_LEVEL": "info",
            **changes,
        }
        self.spawn(name, CONTEST_CORE, [str(self.binaries / "api-gateway")], environment)
        self.wait_for(name, "/readyz", wanted=200)

    def wait_for(self, name, path, wanted=None):
        for _ in range(200):
            status = self.status(name, path)
            if status is not None and wanted in (None, status):
                return
            time.sleep(0.1)
        raise SystemExit(f"{name} does not come up; see {self.run}")

    def status(self, name, path, token=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.ports[name]}{path}")
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return None

    def usage(self, name):
        """Processor seconds used and resident memory in MiB of a contestant with its children."""
        process = {"haproxy_hs256": "haproxy", "haproxy_es256": "haproxy", "direct": "upstream"}.get(name, name)
        first = self.processes[process].pid
        pids = [first, *children(first)]
        ticks = sum(sum(map(int, stat(pid)[13:15])) for pid in pids)
        pages = sum(int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
        return ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def registration(app, instance_id, port, renewal, lease):
    return {"instance": {
        "instanceId": instance_id, "hostName": "127.0.0.1", "app": app, "ipAddr": "127.0.0.1", "status": "UP",
        "port": {"$": port, "@enabled": "true"}, "securePort": {"$": 443, "@enabled": "false"},
        "dataCenterInfo": {"@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo", "name": "MyOwn"},
        "leaseInfo": {"renewalIntervalInSecs": renewal, "durationInSecs": lease},
    }}


def stat(pid):
    text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    name, rest = text.rsplit(")", 1)
    return [*name.split(" (", 1), *rest.split()]


def children(parent):
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if int(stat(entry.name)[3]) == parent:
                    found.append(int(entry.name))
            except (OSError, IndexError):
                continue
    return found
