from proxy.core.record import Commit, Record, State, Version

# No two fields alike, so that none can stand in the place of another.
WHOLE = Record(
    State.UNKNOWN, "lineage", "epoch", 7, Version("v"), 3, "owner", 11.0, 5.0, "PUT", Commit("by", 2, "key", "result"), "replay", True
)


def test_another_end_of_the_lease_leaves_the_rest_as_it_was() -> None:
    assert WHOLE.ending(12.5) == WHOLE._replace(lease_end=12.5)
    assert type(WHOLE.ending(12.5)) is Record
    assert WHOLE.lease_end == 11.0
