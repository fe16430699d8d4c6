"""Last uses: the youngest of each secret, whoever writes in whichever order."""

from dataclasses import replace

from authproxy.domain.keys import KeyId
from authproxy.store import LastUse, Store
from tests.store.samples import ID, NOW, generation

OLD = LastUse(ID, "0", NOW, "read", "acme-core", "192.0.2.7", "pip/26.3")
NEW = replace(OLD, slot="1", time=NOW + 5, action="upload", client="twine/7.0")


async def test_each_secret_has_its_own(store: Store) -> None:
    """The latest first; a key that was never used is not in the answer."""
    await store.note_uses([OLD, NEW])
    assert await store.last_uses([ID, KeyId("Nobody000000")]) == {ID: (NEW, OLD)}


async def test_a_later_use_takes_the_place_of_an_earlier(store: Store) -> None:
    """And never the other way round: two servers flush in any order."""
    await store.note_uses([OLD])
    later = replace(OLD, time=NOW + 60, address="198.51.100.1", project="")
    await store.note_uses([later])
    await store.note_uses([replace(OLD, time=NOW + 30)])
    assert await store.last_uses([ID]) == {ID: (later,)}


async def test_writing_them_down_flushes_no_cache(store: Store) -> None:
    """A use is no change of a key: servers keep what they remember of keys."""
    before = await generation(store)
    await store.note_uses([OLD])
    await store.note_uses([])
    assert await generation(store) == before


async def test_a_thousand_at_once(store: Store) -> None:
    """Each of many keys gets its row."""
    uses = [replace(OLD, key_id=KeyId(f"K{number:011}")) for number in range(1000)]
    await store.note_uses(uses)
    assert len(await store.last_uses([use.key_id for use in uses])) == 1000
