"""What is looked up at a scrape."""

import asyncio
import os
import time
from dataclasses import replace
from pathlib import Path

from prometheus_client import CollectorRegistry, ProcessCollector

from authproxy.web.measured import Measured, OwnUse, show_also
from tests.peers.forms import upload
from tests.peers.packages import wheel
from tests.peers.recording import RecordingIndex
from tests.peers.wire import Conversation, basic, get
from tests.web.conftest import Running


def looked(running: Running) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(Measured(lambda: running.app.parts, lambda: running.app.under_way))
    return registry


async def test_caches_queue_and_room(running: Running, recording: RecordingIndex) -> None:
    """One key that was used twice; nobody waits; there is room."""
    key = await running.key()
    for _ in range(2):
        await running.ask(get("/-/whoami", [("Authorization", basic("__token__", key))]))
    value = looked(running).get_sample_value
    assert value("authproxy_cache_entries", {"cache": "keys"}) == 1
    assert value("authproxy_cache_entries", {"cache": "headers"}) == 1
    assert value("authproxy_cache_lookups_total", {"cache": "headers", "found": "yes"}) == 1
    assert value("authproxy_cache_lookups_total", {"cache": "headers", "found": "no"}) == 1
    assert value("authproxy_argon2_waiting") == 0
    assert value("authproxy_argon2_places") >= 65
    assert value("authproxy_argon2_turned_away_total") == 0
    assert running.app.parts.metrics.registry.get_sample_value("authproxy_argon2_seconds_count") == 2  # made, and used
    assert 0 < value("authproxy_spool_free_bytes") <= value("authproxy_spool_size_bytes")


async def test_an_upload_that_is_coming_in_is_seen_and_gone_when_it_ended(
    running: Running, recording: RecordingIndex
) -> None:
    """Its bytes, and that it is under way; of one that breaks off nothing is left."""
    key = await running.key()
    raw = upload(wheel("acme-core", payload=os.urandom(300_000)), key)
    spooled = running.app.parts.metrics.registry.get_sample_value
    await running.ask(get("/-/whoami", [("Authorization", basic("__token__", key))]))
    for ending in ("whole", "broken"):

        def send(ending: str = ending) -> list[float | None]:
            with Conversation(running.address) as conversation:
                conversation.send(raw[:-100_000])
                seen, end = [0.0, 0.0], time.monotonic() + 10
                while seen[0] < 100_000:
                    assert time.monotonic() < end
                    seen = [spooled("authproxy_spool_bytes"), 0.0]
                seen[1] = looked(running).get_sample_value("authproxy_requests_under_way")
                if ending == "whole":
                    conversation.send(raw[-100_000:])
                    assert conversation.answer().status == 200
                return seen

        during = await asyncio.to_thread(send)
        assert during[1] == 1
        while running.app.under_way:
            await asyncio.sleep(0.01)
        assert spooled("authproxy_spool_bytes") == 0


async def test_a_folder_that_is_gone_is_no_room_and_no_error(running: Running, tmp_path: Path) -> None:
    """A scrape has to work when things do not."""
    parts = running.app.parts
    gone = replace(parts, config=replace(parts.config, state_directory=tmp_path / "gone"))
    registry = CollectorRegistry()
    show_also(registry, lambda: gone, lambda: 3)
    assert registry.get_sample_value("authproxy_spool_free_bytes") is None
    assert registry.get_sample_value("authproxy_requests_under_way") == 3
    assert registry.get_sample_value("process_open_fds") > 3


def test_the_process_is_shown_where_proc_has_processes_alone(tmp_path: Path) -> None:
    """As under our unit: no time of the boot is to be read there, and the process began when it did all the same."""
    (tmp_path / "self").symlink_to("/proc/self")
    shown = {each.name: each.samples[0].value for each in OwnUse(proc=str(tmp_path), registry=None).collect()}
    usual = {each.name: each.samples[0].value for each in ProcessCollector(registry=None).collect()}
    assert shown.keys() == usual.keys()
    assert abs(shown["process_start_time_seconds"] - usual["process_start_time_seconds"]) < 5
