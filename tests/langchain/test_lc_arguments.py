"""Wrong arguments of calls: an error that says what to give instead, before the service sees them."""

from pathlib import Path

import pytest

from langchain_melious import MeliousAudioParser, MeliousRerank
from langchain_melious.errors import InvalidArgumentError


@pytest.mark.parametrize("recording", ["/talk.wav", Path("/talk.wav")])
@pytest.mark.usefixtures("melious_key")
def test_a_parser_takes_blobs_and_not_paths(way, recording):
    parser = MeliousAudioParser("whisper-large-v3")
    with pytest.raises(
        InvalidArgumentError, match=r"^blob: must be a Blob, not \w+; use Blob.from_path\(path\)$"
    ):
        way.call(parser, "parse", recording)


@pytest.mark.usefixtures("melious_key")
def test_a_parser_takes_blobs_and_nothing_else(way):
    with pytest.raises(InvalidArgumentError, match=r"^blob: must be a Blob, not bytes$"):
        way.call(MeliousAudioParser("whisper-large-v3"), "parse", b"RIFF")


@pytest.mark.parametrize("score", [2, -0.1])
@pytest.mark.usefixtures("melious_key")
def test_scores_are_from_0_to_1(way, melious_sandbox, score):
    with pytest.raises(InvalidArgumentError, match=r"min_score: must be at (most 1|least 0)$"):
        MeliousRerank("bge-reranker-v2-m3", min_score=score)
    rerank = MeliousRerank("bge-reranker-v2-m3")
    with pytest.raises(InvalidArgumentError, match=f"min_score: must be a number from 0 to 1, not {score}"):
        way.call(rerank, "rerank", ["dunes"], "sand", min_score=score)
    assert not melious_sandbox.requests
