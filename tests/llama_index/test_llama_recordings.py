"""Recordings that an agent's model names: those of one folder, and not a word on any other file."""

import os
from pathlib import Path

import pytest
import recordings

from llama_index_melious import MeliousToolSpec
from llama_index_melious.media.recordings import _descriptor, recording_in
from melious import InvalidArgumentError

SAID = "path: {!r:.100} is not a recording in the audio folder"


@pytest.fixture
def make_spec(place):
    return lambda **arguments: MeliousToolSpec(**{**place, **arguments})


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder with recordings, and all that may lie in and around one."""
    folder = tmp_path / "recordings"
    (folder / "2026").mkdir(parents=True)
    (folder / "talk.wav").write_bytes(recordings.wav(2.0))
    (folder / "2026" / "talk.wav").write_bytes(recordings.wav(3.0))
    (folder / "unnamed").write_bytes(recordings.wav(1.0))
    (folder / "empty.wav").touch()
    (folder / "notes.txt").write_text("the password is swordfish")
    (folder / "folder.wav").mkdir()
    os.mkfifo(folder / "pipe.wav")
    (tmp_path / "secret.wav").write_bytes(recordings.wav(1.0))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "secret.wav").write_bytes(recordings.wav(1.0))
    (folder / "within.wav").symlink_to(folder / "talk.wav")
    (folder / "out.wav").symlink_to(tmp_path / "secret.wav")
    (folder / "outside").symlink_to(tmp_path / "elsewhere")
    (folder / "loop.wav").symlink_to(folder / "loop.wav")
    return folder


@pytest.mark.parametrize(
    ("path", "seconds"),
    [
        ("talk.wav", "2.0"),
        ("./2026/../talk.wav", "2.0"),
        ("2026/talk.wav", "3.0"),
        ("unnamed", "1.0"),
        ("within.wav", "2.0"),
        ("{folder}/talk.wav", "2.0"),
    ],
)
async def test_recordings_of_the_folder_are_written_down(way, make_spec, folder, sandbox, path, seconds):
    (_, write) = make_spec(audio_folder=str(folder)).to_tool_list()
    output = await way(write, "call", path=path.format(folder=folder), language="de")
    assert f"{seconds} seconds" in output.content
    assert sandbox.requests[-1].body["file"]["filename"].endswith((".wav",))
    assert sandbox.requests[-1].body["language"] == "de"


@pytest.mark.parametrize(
    "path",
    [
        "missing.wav",
        "empty.wav",
        "notes.txt",
        "folder.wav",
        "pipe.wav",
        "out.wav",
        "outside/secret.wav",
        "loop.wav",
        "../secret.wav",
        "../missing.wav",
        "../recordings",
        "/etc/passwd",
        "/dev/zero",
        "/dev/zero.wav",
        "talk.wav/more",
        ".",
        "",
        "~/talk.wav",
        "file:///etc/passwd",
        "a\0b.wav",
        "a" * 300 + ".wav",
        "a/" * 5000,
        "\ud800.wav",
        5,
        None,
        ["talk.wav"],
    ],
    ids=lambda path: ascii(path)[:30],
)
async def test_one_answer_to_all_that_is_not_to_be_had(way, make_spec, folder, sandbox, path):
    (_, write) = make_spec(audio_folder=folder).to_tool_list()
    with pytest.raises(InvalidArgumentError) as caught:
        await way(write, "call", path=path)
    assert str(caught.value) == SAID.format(path)
    assert caught.value.__cause__ is None
    assert len(sandbox.requests) == 0


async def test_of_what_may_be_sent_it_is_told_that_it_is_too_large(way, make_spec, folder, sandbox):
    for name, said in {"long.wav": "26,000,000 bytes", "long.txt": "is not a recording in"}.items():
        with (folder / name).open("wb") as file:
            file.truncate(26_000_000)
        with pytest.raises(InvalidArgumentError, match=said) as caught:
            await way(make_spec(audio_folder=folder).to_tool_list()[1], "call", path=name)
        assert str(folder) not in str(caught.value)
    assert len(sandbox.requests) == 0


def test_a_folder_that_is_not_there_has_no_recordings(make_spec, folder):
    spec = make_spec(audio_folder=folder / "later")
    with pytest.raises(InvalidArgumentError, match="is not a recording in the audio folder"):
        spec.transcribe("talk.wav")
    (folder / "later").mkdir()
    (folder / "talk.wav").rename(folder / "later" / "talk.wav")
    assert "2.0 seconds" in spec.transcribe("talk.wav").content


def test_a_name_that_becomes_a_link_is_not_followed(folder, tmp_path):
    root = folder.resolve()
    os.close(_descriptor(root, ("2026", "talk.wav"), "", 0))
    (folder / "talk.wav").unlink()
    (folder / "talk.wav").symlink_to(tmp_path / "secret.wav")
    with pytest.raises(OSError, match="symbolic link"):
        _descriptor(root, ("talk.wav",), "", 0)
    with pytest.raises(OSError, match=r"symbolic link|Not a directory"):
        _descriptor(root, ("outside", "secret.wav"), "", 0)


def test_what_was_opened_is_what_is_read(folder, tmp_path):
    with recording_in(str(folder), "talk.wav") as file:
        (folder / "talk.wav").unlink()
        (folder / "talk.wav").symlink_to(tmp_path / "secret.wav")
        assert file.read() == recordings.wav(2.0)


def test_nothing_stays_open(folder):
    held = Path("/proc/self/fd")
    before = len(list(held.iterdir())) if held.exists() else None
    for path in ("notes.txt", "folder.wav", "pipe.wav", "outside/secret.wav", "missing.wav", "empty.wav"):
        with pytest.raises(InvalidArgumentError):
            recording_in(str(folder), path)
    recording_in(str(folder), "2026/talk.wav").close()
    assert before is None or len(list(held.iterdir())) == before


# --- without a folder --------------------------------------------------------------------------------------


def test_without_a_folder_there_is_no_such_tool(make_spec, folder, sandbox):
    spec = make_spec()
    assert [tool.metadata.name for tool in spec.to_tool_list()] == ["generate_image"]
    for names in (["transcribe"], [("generate_image", "agenerate_image"), ("transcribe", "atranscribe")]):
        with pytest.raises(InvalidArgumentError, match="transcribe: needs an audio_folder"):
            spec.to_tool_list(names)
    with pytest.raises(InvalidArgumentError, match="transcribe: needs an audio_folder"):
        spec.transcribe(str(folder / "talk.wav"))
    assert len(sandbox.requests) == 0


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ({"audio_folder": "talks"}, ["generate_image", "transcribe"]),
        ({"audio_folder": Path("talks")}, ["generate_image", "transcribe"]),
        ({"audio_folder": "talks", "image_model": None}, ["transcribe"]),
        ({"audio_folder": "talks", "audio_model": None}, ["generate_image"]),
    ],
    ids=str,
)
def test_the_tools_that_are_offered(make_spec, arguments, names):
    spec = make_spec(**arguments)
    assert [tool.metadata.name for tool in spec.to_tool_list()] == names
    assert [tool.metadata.name for tool in make_spec().with_options(**arguments).to_tool_list()] == names


def test_a_spec_without_a_tool_is_refused(make_spec):
    with pytest.raises(
        InvalidArgumentError, match="needs an image_model, or an audio_folder for its audio_model"
    ):
        make_spec(image_model=None)


@pytest.mark.parametrize("folder", ["", 5], ids=str)
def test_a_folder_that_is_not_a_path_is_refused(make_spec, folder):
    with pytest.raises(InvalidArgumentError, match="audio_folder"):
        make_spec(audio_folder=folder)
