from pathlib import Path

import pytest

from adapters.lake.attach import place_for_reading, place_for_writing
from adapters.settings import load
from adapters.values import BadSetting

DSN = "postgresql://aviary_lake:geheim@host/lake"
READER = "postgresql://aviary_lake_reader:leise@host/lake"


def test_without_a_login_there_is_no_lake() -> None:
    settings = load({}, None)
    assert place_for_reading(settings) is None
    assert place_for_writing(settings) is None


def test_readers_have_a_login_of_their_own() -> None:
    settings = load({"AVIARY_LAKE_DSN": DSN, "AVIARY_LAKE_READER_DSN": READER}, None)
    reading, writing = place_for_reading(settings), place_for_writing(settings)
    assert reading is not None
    assert writing is not None
    assert (reading.dsn, writing.dsn) == (READER, DSN)


def test_the_files_lie_in_the_data_folder_unless_told_otherwise() -> None:
    place = place_for_writing(load({"AVIARY_LAKE_DSN": DSN, "AVIARY_DATA_DIR": "/here"}, None))
    assert place is not None
    assert place.data == f"{Path('/here/lake')}/"
    assert not place.is_shared
    there = {"AVIARY_LAKE_DSN": DSN, "AVIARY_LAKE_DATA": "s3://bucket/folder/"}
    place = place_for_writing(load(there, None))
    assert place is not None
    assert place.data == "s3://bucket/folder/"
    assert place.is_shared
    assert not place.is_local


@pytest.mark.parametrize("value", ["relative/folder", "gs://bucket", "s3://", "https://host/x"])
def test_a_place_that_cannot_be_is_refused(value: str) -> None:
    with pytest.raises(BadSetting, match="AVIARY_LAKE_DATA"):
        load({"AVIARY_LAKE_DATA": value}, None)


def test_no_login_is_shown() -> None:
    settings = load({"AVIARY_LAKE_DSN": DSN, "AVIARY_LAKE_STORE_SECRET": "tief"}, None)
    assert "geheim" not in repr(settings)
    assert "tief" not in repr(settings)
    assert "geheim" not in repr(place_for_writing(settings))
