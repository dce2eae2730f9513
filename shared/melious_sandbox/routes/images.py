"""POST /v1/images/generations, and the place from which the images' URLs are served."""

import base64
import time
from hashlib import blake2b
from typing import Any

from melious_sandbox.brain import media
from melious_sandbox.server import fields
from melious_sandbox.server.context import RequestContext
from melious_sandbox.service.errors import SandboxError, invalid
from melious_sandbox.service.impact import Work
from melious_sandbox.service.responses import Response, json_response

_DEFAULT_MODEL = "flux-schnell"
_SIZES_OF_DOCS = ("1024x1024", "1792x1024", "1024x1792")
_SMALLEST, _LARGEST = 64, 2048


async def generate(context: RequestContext) -> Response:
    """Make images from a prompt."""
    body = context.fields
    profile = context.service.profile
    prompt = fields.required_text(body, "prompt")
    card = fields.model_card(context, body.get("model") or _DEFAULT_MODEL, "image")
    count = fields.integer(body, "n", 1, profile.image_count) or 1
    width, height = _size(body)
    fields.one_of(body, "quality", ("standard", "hd"), "standard")
    form = fields.one_of(body, "response_format", profile.image_formats, profile.image_format)
    context.route(card, body)
    if (reply := context.scripted_json(card.id)) is not None:
        return reply
    prompts = [prompt, *(f"{prompt} #{number}" for number in range(2, count + 1))]
    data = [_item(context, form, media.png(each, width, height)) for each in prompts]
    work = Work(images=count, megapixels=count * width * height / 1_000_000)
    answer: dict[str, Any] = {"created": int(time.time()), "data": data}
    return json_response(answer | context.cost(work))


async def picture(context: RequestContext) -> Response:
    """Serve an image that was answered as a URL."""
    found = context.service.picture(context.path["name"])
    if found is None:
        raise SandboxError("not_found")
    return Response(found, content_type="image/png")


def _size(body: dict[str, Any]) -> tuple[int, int]:
    width = fields.integer(body, "width", _SMALLEST, _LARGEST)
    height = fields.integer(body, "height", _SMALLEST, _LARGEST)
    if width is not None and height is not None:
        return width, height
    text = fields.text(body, "size") or _SIZES_OF_DOCS[0]
    left, cross, right = text.partition("x")
    if cross and left.isdecimal() and right.isdecimal():
        sides = int(left), int(right)
        if all(_SMALLEST <= side <= _LARGEST for side in sides):
            return sides
    usual = ", ".join(_SIZES_OF_DOCS)
    raise invalid("size", f"must be WIDTHxHEIGHT with sides from {_SMALLEST} to {_LARGEST}, as in {usual}.")


def _item(context: RequestContext, form: str, png: bytes) -> dict[str, str]:
    if form == "b64_json":
        return {"b64_json": base64.b64encode(png).decode("ascii")}
    name = f"{blake2b(png, digest_size=12).hexdigest()}.png"
    context.service.keep_picture(name, png)
    return {"url": f"http://{context.host}/pictures/{name}"}
