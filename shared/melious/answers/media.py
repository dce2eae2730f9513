"""Images and transcripts."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from melious.answers.results import Result


class Image(BaseModel):
    """A generated image.

    Attributes:
        b64_json: The image as base64, without a `data:` prefix.
        url: Its URL, on services that host images.
        revised_prompt: The prompt as the model understood it.
    """

    model_config = ConfigDict(extra="allow", defer_build=True)

    b64_json: str | None = None
    url: str | None = None
    revised_prompt: str | None = None

    @field_validator("b64_json", mode="before")
    @classmethod
    def _without_prefix(cls, value: Any) -> Any:
        return value.partition(",")[2] if isinstance(value, str) and value.startswith("data:") else value

    def to_bytes(self) -> bytes:
        """The image's bytes.

        Raises:
            ValueError: There is only a URL, or the base64 is broken.
        """
        import binascii  # noqa: PLC0415 - only needed here

        if self.b64_json is None:
            raise ValueError("the image came as a URL; fetch .url")
        return binascii.a2b_base64(self.b64_json)


class ImagesResult(Result):
    """Generated images.

    Examples:
        >>> images = ImagesResult(data=[Image(b64_json="R0lGODlh")])
        >>> images.data[0].to_bytes()
        b'GIF89a'
    """

    created: int | float | str | None = None
    data: list[Image] = Field(default_factory=list)


class Transcription(Result):
    """The transcript of a recording.

    Attributes:
        text: The transcript; for `srt` and `vtt` the whole document.
        language: The language, if reported.
        duration: Seconds, if reported.
        segments: Parts with their times, for `verbose_json`.

    Examples:
        >>> transcript = Transcription(text="Good morning.", duration=1.4)
        >>> transcript.text, transcript.duration, transcript.language
        ('Good morning.', 1.4, None)
    """

    text: str = ""
    language: str | None = None
    duration: float | None = None
    segments: list[dict[str, Any]] | None = None
