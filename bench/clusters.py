# SPDX-License-Identifier: Apache-2.0
"""A folder of pictures scored by Ray Data, by PySpark or by the Python package alone, into Parquet files or lines. For
bench/batch, which starts it by the Python that has them; the functions stand in docs/python.md as they are here.

    clusters.py ray|spark|threads FOLDER OUT JOBS     prints {"start_s": ..., "job_s": ...}; OUT has the results
"""
import glob
import json
import math
import os
import sys
import time

import moaoff


def columns(paths, found):
    """The columns of a batch: its paths, scores (NaN: none), errors, and all that `moaoff score --json` prints."""
    good = [isinstance(one, dict) for one in found]
    return {"path": list(paths),
            "score": [one["complexity"]["score"] if ok else math.nan for one, ok in zip(found, good)],
            "error": ["" if ok else str(one) for one, ok in zip(found, good)],
            "json": [json.dumps(one) if ok else "" for one, ok in zip(found, good)]}


def score_with_ray(folder, out):
    import ray.data

    def score(batch):
        return columns(batch["path"], moaoff.score_many(batch["bytes"], jobs=1, errors="return"))

    ray.data.read_binary_files(folder, include_paths=True).map_batches(score, batch_size=64).write_parquet(out)


def score_with_spark(spark, folder, out):
    import pandas

    def score(frames):
        for frame in frames:
            yield pandas.DataFrame(columns(frame["path"], moaoff.score_many(frame["content"], jobs=1, errors="return")))

    files = spark.read.format("binaryFile").option("recursiveFileLookup", "true").load(folder).select("path", "content")
    files.mapInPandas(score, "path string, score double, error string, json string").write.parquet(out)


# ---- beginning and end, each by the clock ------------------------------------------------------------------------------

def files_of(folder):
    return sorted(glob.glob(os.path.join(folder, "*", "*.jpg")))


def run_ray(folder, out, jobs):
    import ray
    import ray.data
    ray.init(num_cpus=jobs, include_dashboard=False, _node_ip_address="127.0.0.1", object_store_memory=1 << 30, log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield
    score_with_ray(folder, out)
    yield
    ray.shutdown()


def run_spark(folder, out, jobs):
    from pyspark.sql import SparkSession
    spark = (SparkSession.builder.master("local[%d]" % jobs).config("spark.ui.enabled", "false")
             .config("spark.driver.host", "127.0.0.1").config("spark.driver.bindAddress", "127.0.0.1")
             .config("spark.driver.memory", "2g").config("spark.sql.execution.arrow.maxRecordsPerBatch", "64").getOrCreate())
    yield
    score_with_spark(spark, folder, out)
    yield
    spark.stop()


def run_threads(folder, out, jobs):
    os.mkdir(out)
    yield
    found = moaoff.score_many(files_of(folder), jobs=jobs)
    with open(os.path.join(out, "scores.jsonl"), "w") as file:
        file.writelines(json.dumps(one) + "\n" for one in found)
    yield


def lines_of(out):
    """What a run left, as {"path": ..., ...}: of Parquet files the column "json" with the path of the column "path"."""
    for path in glob.glob(os.path.join(out, "*.jsonl")):
        with open(path) as file:
            yield from map(json.loads, file)
    for path in glob.glob(os.path.join(out, "*.parquet")):
        import pyarrow.parquet
        for row in pyarrow.parquet.read_table(path, columns=["path", "json", "error"]).to_pylist():
            if row["error"]:
                raise SystemExit("%s: %s" % (row["path"], row["error"]))
            yield {**json.loads(row["json"]), "path": row["path"].removeprefix("file:")}


def main():
    engine, folder, out, jobs = sys.argv[1], os.path.abspath(sys.argv[2]), os.path.abspath(sys.argv[3]), int(sys.argv[4])
    steps = {"ray": run_ray, "spark": run_spark, "threads": run_threads}[engine](folder, out, jobs)
    times = [time.monotonic()]
    next(steps)
    times.append(time.monotonic())
    next(steps)
    times.append(time.monotonic())
    for _ in steps:
        pass
    with open(out + ".lines", "w") as file:
        file.writelines(json.dumps(one, sort_keys=True) + "\n" for one in sorted(lines_of(out), key=lambda one: one["path"]))
    print(json.dumps({"start_s": times[1] - times[0], "job_s": times[2] - times[1]}))


if __name__ == "__main__":
    main()
