"""The cache of replies: content-addressed, shared by processes, bounded, and hard to break."""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ar1_rl.errors import ConfigError
from recipes.bench.cache import GOAL_PER_S, measure
from rewards.critic import cache_file
from rewards.critic.cache import CachedReply, ReplyCache, cache_key
from rewards.critic.cache_file import FILE_NAME, default_path, file_system

ROOT = Path(__file__).resolve().parent.parent
ASKED = {
    "model": "judge",
    "prompt_hash": "0123",
    "sampling": {"temperature": 0.0, "seed": 1},
    "scene_id": "s",
    "reference": "Yield.",
    "prediction": "Stop.",
}
MIB = 2**20


def keys(count, prefix="k"):
    return [cache_key(**{**ASKED, "prediction": f"{prefix}{n}"}) for n in range(count)]


def replies(some, text="They agree.\ngrade: 4"):
    return {key: CachedReply(text) for key in some}


def run(script, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


class Clock:
    def __init__(self):
        self.now = 1_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def path(tmp_path):
    return tmp_path / "replies.sqlite"


# keys


def test_the_key_depends_on_every_part_of_the_question_and_on_nothing_else():
    assert cache_key(**ASKED) == cache_key(**ASKED, image_hash=None)
    assert cache_key(**{**ASKED, "sampling": {"seed": 1, "temperature": 0.0}}) == cache_key(**ASKED)
    changed = [
        {"model": "other"},
        {"prompt_hash": "4567"},
        {"sampling": {"temperature": 0.0, "seed": 2}},
        {"sampling": {}},
        {"scene_id": "t"},
        {"reference": "Yield. "},
        {"prediction": "stop."},
        {"image_hash": "ab"},
        {"reference": "Stop.", "prediction": "Yield."},
        {"scene_id": "sYield.", "reference": ""},
        {"scene_id": 's","Yield.', "reference": ""},
    ]
    assert len({cache_key(**ASKED), *(cache_key(**{**ASKED, **change}) for change in changed)}) == len(changed) + 1


# keeping and finding


def test_what_was_put_is_found_again_as_it_was_also_by_another_object(path):
    [a, b, c] = keys(3)
    logprobs = [{"token": " 4", "logprob": -0.1, "bytes": [52], "top_logprobs": []}]
    kept = {a: CachedReply("grade: 4 “é” \x00 🚗 \ud83d", 200, 7, logprobs), b: CachedReply("")}
    cache = ReplyCache(path)
    cache.put_many(kept)
    assert cache.get_many([a, b, c, a]) == ReplyCache(path).get_many([c, b, a]) == kept
    assert cache.get_many([]) == {}


def test_a_later_reply_replaces_an_earlier_one(path):
    [key] = keys(1)
    cache = ReplyCache(path)
    cache.put_many(replies([key], "grade: 1"))
    cache.put_many(replies([key], "grade: 2"))
    assert cache.get_many([key])[key].reply == "grade: 2"


def test_more_keys_than_fit_into_one_query_are_found(path):
    some = keys(1300)
    cache = ReplyCache(path)
    cache.put_many(replies(some))
    assert set(cache.get_many(some)) == set(some)


def test_a_closed_cache_opens_again_by_itself(path):
    cache = ReplyCache(path)
    cache.put_many(replies(keys(1)))
    cache.close()
    cache.close()
    assert len(cache.get_many(keys(1))) == 1


def test_threads_share_one_object(path):
    cache, failures = ReplyCache(path), []

    def work(name):
        try:
            for key in keys(40, name):
                cache.put_many(replies([key], name))
                assert cache.get_many([key])[key].reply == name
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(f"t{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures and len(cache.get_many([k for n in range(4) for k in keys(40, f"t{n}")])) == 160


# several processes

WRITER = """
import sys
from rewards.critic.cache import CachedReply, ReplyCache, cache_key
path, name, count, batch = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
cache = ReplyCache(path)
for n in range(0, count, batch):
    keys = [cache_key("m", "h", {}, "s", name, str(i)) for i in range(n, n + batch)]
    cache.put_many({key: CachedReply(f"{name} " + "long " * 200) for key in keys})
    assert len(cache.get_many(keys)) == batch
    print(n + batch, flush=True)
assert cache.unwritten == 0
"""


def written(name, count):
    return [cache_key("m", "h", {}, "s", name, str(i)) for i in range(count)]


def test_processes_that_create_and_write_the_same_file_at_once_lose_nothing(path):
    writers = [run(WRITER, path, f"w{n}", 200, 5) for n in range(4)]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    cache = ReplyCache(path)
    for n in range(4):
        assert set(cache.get_many(written(f"w{n}", 200))) == set(written(f"w{n}", 200))


def test_a_writer_killed_in_the_middle_leaves_all_it_had_finished_and_a_sound_file(path):
    for attempt in range(3):
        writer = run(WRITER, path, f"killed{attempt}", 10**6, 20)
        done = 0
        while done < 200 * (attempt + 1):
            done = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        done = max([done, *(int(line) for line in writer.stdout.read().split("\n")[:-1])])
        cache = ReplyCache(path)
        assert set(cache.get_many(written(f"killed{attempt}", done))) == set(written(f"killed{attempt}", done))
        cache.put_many(replies(keys(5)))
        assert len(cache.get_many(keys(5))) == 5
        cache.close()
    assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_forked_process_reads_and_writes_beside_its_parent(path):
    cache = ReplyCache(path)
    cache.put_many(replies(keys(3)))
    child = os.fork()
    if child == 0:
        ok = len(cache.get_many(keys(3))) == 3
        cache.put_many(replies(keys(3, "child")))
        os._exit(0 if ok else 1)
    assert os.waitpid(child, 0)[1] == 0
    cache.put_many(replies(keys(3, "parent")))
    assert len(cache.get_many(keys(3) + keys(3, "child") + keys(3, "parent"))) == 9


# size


def file_bytes(path):
    return sum(p.stat().st_size for p in path.parent.iterdir())


def test_the_least_recently_used_go_first_and_the_file_keeps_its_limit(path):
    clock = Clock()
    cache = ReplyCache(path, MIB, clock=clock)
    first, second = keys(200, "first"), keys(200, "second")
    cache.put_many(replies(first, "x" * 1000))
    clock.now += 3600
    cache.put_many(replies(second, "x" * 1000))
    clock.now += 3600
    assert len(cache.get_many(first)) == 200
    clock.now += 3600
    third = keys(400, "third")
    for n in range(0, 400, 100):
        cache.put_many(replies(third[n : n + 100], "x" * 1000))
        clock.now += 1
        assert path.stat().st_size < 1.3 * MIB
    assert len(cache.get_many(second)) < 60
    assert len(cache.get_many(first)) == 200 and len(cache.get_many(third)) == 400


def test_many_times_the_limit_goes_through_without_the_file_growing(path):
    cache = ReplyCache(path, MIB)
    for n in range(20):
        cache.put_many(replies(keys(500, f"round{n}"), "x" * 1000))
    assert path.stat().st_size < 2.0 * MIB
    assert len(cache.get_many(keys(500, "round19"))) > 300
    assert len(cache.get_many(keys(500, "round0"))) == 0


def test_a_lower_limit_makes_an_existing_file_smaller(path):
    ReplyCache(path).put_many(replies(keys(3000), "x" * 1000))
    assert path.stat().st_size > 3 * MIB
    cache = ReplyCache(path, MIB)
    cache.put_many(replies(keys(1, "new")))
    cache.close()
    assert path.stat().st_size <= MIB
    assert len(ReplyCache(path).get_many(keys(1, "new"))) == 1


def test_a_look_up_renews_without_writing_each_time(path):
    clock = Clock()
    cache = ReplyCache(path, clock=clock)
    cache.put_many(replies(keys(10)))
    version = "SELECT max(used), min(used) FROM replies"
    other = sqlite3.connect(path)
    cache.get_many(keys(10))
    clock.now += 3600
    cache.get_many(keys(10))
    assert other.execute(version).fetchone() == (1_000_000, 1_000_000)
    cache.close()
    assert other.execute(version).fetchone() == (1_003_600, 1_003_600)


def test_a_limit_that_is_too_small_is_refused(path):
    with pytest.raises(ConfigError, match="max_bytes: got 1000, allowed 1048576 or more"):
        ReplyCache(path, 1000)


# trouble


def test_a_full_disk_stops_the_writing_and_not_the_run(path, caplog):
    cache = ReplyCache(path)
    cache.put_many(replies(keys(5)))
    cache._open().execute("PRAGMA max_page_count = 1")
    for n in range(3):
        cache.put_many(replies(keys(400, f"n{n}"), "x" * 5000))
    assert cache.unwritten == 1200
    assert len(cache.get_many(keys(5))) == 5
    assert [r.getMessage() for r in caplog.records] == [
        f"critic cache {path}: database or disk is full; the run goes on, replies are not kept"
    ]


def test_a_damaged_file_is_set_aside_and_a_new_one_begun_and_both_are_said(path, caplog):
    cache = ReplyCache(path)
    cache.put_many(replies(keys(2000), "x" * 500))
    cache.close()
    content = bytearray(path.read_bytes())
    content[100:] = os.urandom(len(content) - 100)
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        cache = ReplyCache(path)
        cache.put_many(replies(keys(3)))
        cache.put_many(replies(keys(3)))
    assert len(cache.get_many(keys(3))) == 3
    assert len(list(path.parent.glob("*.damaged-*"))) == 1
    assert "set aside as" in caplog.text and "a new one is begun" in caplog.text


def test_damage_found_while_reading_costs_the_replies_and_not_the_run(path, caplog):
    writer = ReplyCache(path)
    writer.put_many(replies(keys(2000), "x" * 500))
    writer.close()
    cache = ReplyCache(path)
    with open(path, "r+b") as file:
        file.seek(3 * 4096)
        file.write(os.urandom(path.stat().st_size - 4 * 4096))
    cache.get_many(keys(2000))
    assert "set aside as" in caplog.text
    cache.put_many(replies(keys(3)))
    assert len(cache.get_many(keys(3))) == 3


@pytest.mark.parametrize("content", [b"name: mine\n", b"SQLite format 3\0" + b"?" * 5000, b"\0" * 4096])
def test_a_file_that_is_no_cache_is_left_alone_with_advice(path, content):
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="delete it or name another path"):
        ReplyCache(path)
    assert path.read_bytes() == content


def test_another_programs_database_is_left_alone(path):
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE notes (text)")
    other.commit()
    with pytest.raises(ConfigError, match="another program's database"):
        ReplyCache(path)


def test_a_cache_of_another_version_is_left_alone(path):
    ReplyCache(path).close()
    other = sqlite3.connect(path)
    other.execute("PRAGMA user_version = 99")
    other.close()
    with pytest.raises(ConfigError, match="schema 99, this version reads 1"):
        ReplyCache(path)


def test_a_path_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="name a path that can be written"):
        ReplyCache(tmp_path / "file" / "replies.sqlite")


# where it lies

MOUNTS = """\
22 1 254:0 / / rw - ext4 /dev/vda rw
30 22 0:40 / /home rw - nfs4 server:/home rw
31 30 0:41 / /home/me/local\\040disk rw shared:1 - xfs /dev/sdb rw
32 22 0:42 / /scratch rw - lustre x rw
33 32 0:43 / /scratch rw - tmpfs x rw
"""


@pytest.mark.parametrize(
    ("folder", "system"),
    [
        ("/var/x", "ext4"),
        ("/home/me/.cache", "nfs4"),
        ("/homework", "ext4"),
        ("/home/me/local disk/a", "xfs"),
        ("/scratch/a", "tmpfs"),
    ],
)
def test_the_file_system_is_that_of_the_nearest_mount_and_of_the_last_one_there(folder, system):
    assert file_system(Path(folder), MOUNTS) == system


def test_a_path_on_a_network_is_refused(path, monkeypatch):
    monkeypatch.setattr(cache_file, "file_system", lambda _: "nfs4")
    with pytest.raises(ConfigError, match=r"lies on nfs4.*name a path on a local disk"):
        ReplyCache(path)
    assert not path.exists()


def test_the_default_lies_in_the_users_cache_folder_and_is_readable_by_the_user_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "mine"))
    assert ReplyCache().path == default_path() == tmp_path / "mine" / "ar1-rl" / FILE_NAME
    assert default_path().stat().st_mode & 0o777 == 0o600
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_path() == tmp_path / ".cache" / "ar1-rl" / FILE_NAME


def test_a_home_on_a_network_gives_way_to_the_machines_temporary_folder(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(cache_file.tempfile, "gettempdir", lambda: str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(cache_file, "file_system", lambda p: "nfs" if p.is_relative_to(tmp_path / "home") else "ext4")
    own = tmp_path / "tmp" / f"ar1-rl-{os.getuid()}"
    assert ReplyCache().path == own / FILE_NAME
    assert "lies on nfs" in caplog.text and own.stat().st_mode & 0o777 == 0o700
    own.chmod(0o777)
    with pytest.raises(ConfigError, match="belongs to somebody else"):
        default_path()


# speed


def test_twenty_thousand_look_ups_take_less_than_a_second(tmp_path):
    result = measure(2000, 64, 3, tmp_path)
    assert result["found"] == 2000
    assert result["per_s"]["look-ups"] >= GOAL_PER_S
