#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Latency on one core and memory of llama-server for both models, in turns on the same machine.

usage: measure_speed.py SETS_DIR MODELS_DIR [--count 100] [--rounds 3]
"""

import argparse
import statistics
import time

import evaluate
import server

WARM_UP = 10


def one_round(name, models, items):
    """-> milliseconds per request, bytes of memory"""
    with server.Server(name, models, threads=1) as engine:
        times = []
        for item in items[:WARM_UP] + items:
            start = time.monotonic()
            evaluate.ask_directly(engine, item)
            times.append((time.monotonic() - start) * 1e3)
        return times[WARM_UP:], engine.rss_bytes()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("sets")
    parser.add_argument("models")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    items = list(evaluate.read_vqa(args.sets))[: args.count]
    times, rss = {"edge": [], "cloud": []}, {}
    for _ in range(args.rounds):
        for name in times:
            some, rss[name] = one_round(name, args.models, items)
            times[name] += some
    median = {name: statistics.median(t) for name, t in times.items()}
    for name, t in times.items():
        p95 = sorted(t)[int(len(t) * 0.95)]
        print(f"{name}: median {median[name]:.1f} ms, p95 {p95:.1f} ms over {len(t)} requests; RSS {rss[name] / 1e6:.0f} MB")
    print(f"cloud / edge: {median['cloud'] / median['edge']:.1f}")


if __name__ == "__main__":
    main()
