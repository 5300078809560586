"""Interleaved rounds of one run: every contestant in turn, ratios within each round, medians over the rounds.

Absolute numbers on a shared machine vary by a quarter from hour to hour; ratios of the same minute do not.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import uuid

from contest import OTHER_CORE, Contest
from slow import MODES, Slow
from tokens import Keys

# Contestant: the algorithm of its tokens.
CONTESTANTS = {
    "nginx": "EdDSA",
    "haproxy_hs256": "HS256",
    "haproxy_es256": "ES256",
    "cached": "EdDSA",
    "uncached": "EdDSA",
    # No gateway at all: what the others add to it.
    "direct": "EdDSA",
}
TITLES = {
    "nginx": "nginx, bare proxy",
    "haproxy_hs256": "HAProxy, HS256 + limit",
    "haproxy_es256": "HAProxy, ES256 + limit",
    "cached": "api-gateway, EdDSA + limit, cached tokens",
    "uncached": "api-gateway, EdDSA + limit, no cache",
    "limited": "api-gateway, limits as delivered",
    "direct": "the service itself",
}
SENDERS = ["nginx", "haproxy_hs256", "cached"]
FORGED = ["haproxy_hs256", "haproxy_es256", "cached", "limited"]
# Scenario: method, path, bytes of body, connections, who takes part, whether each answer is a refusal.
SCENARIOS = {
    "throughput, 64 connections": ("GET", "/users/me", 0, 64, list(CONTESTANTS), False),
    "latency, 1 connection": ("GET", "/users/me", 0, 1, list(CONTESTANTS), False),
    "5 MB uploads, 4 connections": ("POST", "/records", 5_000_000, 4, SENDERS, False),
    "5 MB uploads, answered early": ("POST", "/records?early=1", 5_000_000, 4, SENDERS, True),
    "forged tokens, 64 connections": ("GET", "/users/me", 0, 64, FORGED, True),
}
SLOW_CONNECTIONS = 500


def wrk(contest, name, tokens, scenario, seconds):
    method, path, size, connections, _, refused = scenario
    before, _ = contest.usage(name)
    url = f"http://127.0.0.1:{contest.ports[name]}{path}"
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "5s",
               "-s", str(pathlib.Path(__file__).parent / "scenarios/tokens.lua"), url, "--", tokens, method, path, str(size)]
    output = subprocess.run(["taskset", "-c", OTHER_CORE, *command], capture_output=True, text=True, check=True).stdout
    line = next(line for line in output.splitlines() if line.startswith("RESULT "))
    result = json.loads(line.removeprefix("RESULT "))
    # Whoever answers something else does less or more than the scenario asks for: its numbers mean nothing.
    expected = result["requests"] if refused else 0
    if result["status_errors"] != expected:
        sys.exit(f"{name}, {method} {path}: {result['status_errors']} of {result['requests']} answers are errors, not {expected}")
    if result["requests"] == 0:
        result["p50_us"] = result["p99_us"] = seconds * 1_000_000
    after, memory = contest.usage(name)
    rate = result["requests"] / result["seconds"]
    result.update(rate=rate, memory=memory, cpu_us=(after - before) * 1e6 / max(result["requests"], 1))
    return result


def check_rules(contest, files):
    """Nobody may win by not checking."""
    for name in ["haproxy_hs256", "haproxy_es256", "cached", "uncached"]:
        algorithm = CONTESTANTS[name]
        good = open(files[algorithm]).readline().strip()
        forged = open(files[f"{algorithm} forged"]).readline().strip()
        expected = [(good, 200), (None, 401), (forged, 401), ("x.y.z", 401)]
        for token, status in expected:
            found = contest.status(name, "/users/me", token)
            if found != status:
                sys.exit(f"{name} answers {found} where {status} is right: the comparison would not be fair")


def in_turn(names, number):
    """The same names, each first in another round: nobody always comes after the same one."""
    first = number % len(names)
    return names[first:] + names[:first]


def run(contest, files, rounds, seconds):
    results = {title: {name: [] for name in scenario[4]} for title, scenario in SCENARIOS.items()}
    normal = ("GET", "/users/me", 0, 1, SENDERS, False)
    results |= {slow_title(mode): {name: [] for name in SENDERS} for mode in MODES}
    for number in range(rounds):
        for title, scenario in SCENARIOS.items():
            for name in in_turn(scenario[4], number):
                algorithm = CONTESTANTS.get(name, "EdDSA")
                tokens = files[f"{algorithm} forged" if title.startswith("forged") else algorithm]
                results[title][name].append(wrk(contest, name, tokens, scenario, seconds))
        for mode in MODES:
            for name in in_turn(SENDERS, number):
                tokens = files[CONTESTANTS[name]]
                with Slow(mode, contest.ports[name], SLOW_CONNECTIONS, tokens):
                    results[slow_title(mode)][name].append(wrk(contest, name, tokens, normal, seconds))
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
    return results


def slow_title(mode):
    return f"1 connection beside {SLOW_CONNECTIONS} slow {mode}"


def median(results, key):
    return statistics.median(result[key] for result in results)


def ratio(results, name, other, key="rate"):
    pairs = zip(results[name], results[other])
    return statistics.median(mine[key] / max(theirs[key], 1e-9) for mine, theirs in pairs)


def table(results):
    lines = []
    for title, by_name in results.items():
        first = next(iter(by_name))
        lines += ["", f"### {title}", "", f"| | req/s | × {first} | p50 ms | p99 ms | CPU µs/req | RSS MiB | errors |", "|---|---:|---:|---:|---:|---:|---:|---:|"]
        for name, runs in by_name.items():
            errors = sum(run["socket_errors"] for run in runs)
            lines.append(
                f"| {TITLES[name]} | {median(runs, 'rate'):.0f} | {ratio(by_name, name, first):.2f} "
                f"| {median(runs, 'p50_us') / 1000:.2f} | {median(runs, 'p99_us') / 1000:.2f} "
                f"| {median(runs, 'cpu_us'):.1f} | {median(runs, 'memory'):.0f} | {errors} |"
            )
    return "\n".join(lines)


def added(results):
    """What each contestant adds to the service's own latency, over one connection."""
    single = results["latency, 1 connection"]
    lines = ["", "### Added latency, 1 connection", "", "| | p50 µs | p99 µs |", "|---|---:|---:|"]
    for name in single:
        if name == "direct":
            continue
        pairs = list(zip(single[name], single["direct"]))
        p50, p99 = (statistics.median(mine[key] - bare[key] for mine, bare in pairs) for key in ("p50_us", "p99_us"))
        lines.append(f"| {TITLES[name]} | {p50:.0f} | {p99:.0f} |")
    return "\n".join(lines)


def goals(results):
    """Each goal, what was measured, and whether it is met."""
    busy, single = results["throughput, 64 connections"], results["latency, 1 connection"]
    uploads, early = results["5 MB uploads, 4 connections"], results["5 MB uploads, answered early"]
    forged = results["forged tokens, 64 connections"]
    measured = [
        ("cached / bare nginx", ratio(busy, "cached", "nginx"), 0.75, True),
        ("cached / HAProxy HS256", ratio(busy, "cached", "haproxy_hs256"), 1.4, True),
        ("cached / HAProxy ES256", ratio(busy, "cached", "haproxy_es256"), 5.0, True),
        ("uncached / HAProxy ES256", ratio(busy, "uncached", "haproxy_es256"), 1.0, True),
        ("p99 at 64 connections / HAProxy HS256", ratio(busy, "cached", "haproxy_hs256", "p99_us"), 1.0, False),
        ("p50 at 1 connection / bare nginx", ratio(single, "cached", "nginx", "p50_us"), 1.35, False),
        ("resident memory, MiB", median(busy["cached"], "memory"), 20.0, False),
        ("5 MB uploads / bare nginx", ratio(uploads, "cached", "nginx"), 0.9, True),
        ("5 MB uploads / HAProxy", ratio(uploads, "cached", "haproxy_hs256"), 1.0, True),
        ("uploads answered early / HAProxy", ratio(early, "cached", "haproxy_hs256"), 1.0, True),
        ("forged tokens, each checked / HAProxy ES256", ratio(forged, "cached", "haproxy_es256"), 1.0, True),
        ("forged tokens, limits as delivered / HAProxy ES256", ratio(forged, "limited", "haproxy_es256"), 3.0, True),
    ]
    for mode in MODES:
        slow = results[slow_title(mode)]["cached"]
        measured.append((f"p99 beside {SLOW_CONNECTIONS} slow {mode}, ms", median(slow, "p99_us") / 1000, 200.0, False))
    lines = ["", "| goal | aim | measured | |", "|---|---:|---:|---|"]
    for name, value, aim, more in measured:
        met = value >= aim if more else value <= aim
        lines.append(f"| {name} | {'≥' if more else '≤'} {aim} | {value:.2f} | {'met' if met else 'missed'} |")
    return "\n".join(lines)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--binaries", required=True)
    arguments.add_argument("--short", action="store_true")
    options = arguments.parse_args()
    rounds, seconds, users = (1, 1, 50) if options.short else (7, 2, 1000)
    with tempfile.TemporaryDirectory(prefix="bench-gateway-") as folder:
        keys = Keys(folder)
        ids = [uuid.uuid4() for _ in range(users)]
        files = {algorithm: keys.write(algorithm, ids) for algorithm in ["EdDSA", "HS256", "ES256"]}
        files |= {f"{algorithm} forged": keys.forge(algorithm, users) for algorithm in ["EdDSA", "HS256", "ES256"]}
        with Contest(folder, options.binaries, keys) as contest:
            check_rules(contest, files)
            results = run(contest, files, rounds, seconds)
    text = f"{table(results)}\n{added(results)}\n\n{goals(results)}\n"
    print(text)
    if not options.short:
        kept = pathlib.Path(__file__).parent / "results"
        kept.mkdir(exist_ok=True)
        (kept / "gateway.md").write_text(f"Measured {time.strftime('%Y-%m-%d')}, {rounds} rounds of {seconds} s.\n{text}")
        (kept / "gateway.json").write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
