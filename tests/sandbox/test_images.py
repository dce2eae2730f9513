"""Images: real PNGs, sizes, formats, limits."""

import base64
import struct
import zlib

import pytest


def png_size(png):
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    position, pixels = 8, b""
    while position < len(png):
        length, kind = struct.unpack(">I4s", png[position : position + 8])
        if kind == b"IDAT":
            pixels += png[position + 8 : position + 8 + length]
        position += 12 + length
    assert len(zlib.decompress(pixels)) == height * (1 + 3 * width)
    return width, height


@pytest.fixture
def draw(http):
    def send(**fields):
        return http.post("/images/generations", json={"prompt": "a lighthouse", "size": "128x64", **fields})

    return send


def test_a_real_png(draw):
    body = draw(model="flux-schnell").json()
    assert png_size(base64.b64decode(body["data"][0]["b64_json"])) == (128, 64)
    assert isinstance(body["created"], int)
    assert float(body["billing_cost"]["credits"]) > 0


def test_width_and_height_instead_of_size(draw):
    body = draw(width=192, height=96, size=None).json()
    assert png_size(base64.b64decode(body["data"][0]["b64_json"])) == (192, 96)


def test_several_differ(draw):
    pictures = {item["b64_json"] for item in draw(n=3).json()["data"]}
    assert len(pictures) == 3


def test_url_can_be_fetched_and_unknown_ones_not(draw, http):
    url = draw(response_format="url").json()["data"][0]["url"]
    fetched = http.get(url)
    assert fetched.headers["content-type"] == "image/png"
    assert png_size(fetched.content) == (128, 64)
    assert http.get(url.replace(".png", "x.png")).status_code == 404


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"size": "big"}, "size"),
        ({"size": "1x1"}, "size"),
        ({"size": "99999x10"}, "size"),
        ({"n": 11}, "n"),
        ({"n": 0}, "n"),
        ({"response_format": "gif"}, "response_format"),
        ({"quality": "best"}, "quality"),
        ({"model": "glm-4.7"}, "model"),
    ],
)
def test_refused(draw, fields, param):
    response = draw(**fields)
    assert (response.status_code, response.json()["error"]["param"]) == (400, param)


def test_rules_of_the_documented_generations(start_sandbox, client_of):
    small = {"prompt": "x", "size": "64x64"}
    older, newer = client_of(start_sandbox("g1")), client_of(start_sandbox("g2"))
    assert "url" in older.post("/images/generations", json=small).json()["data"][0]
    assert older.post("/images/generations", json=small | {"n": 5}).status_code == 400
    assert "b64_json" in newer.post("/images/generations", json=small | {"n": 5}).json()["data"][4]
    assert newer.post("/images/generations", json=small | {"response_format": "url"}).status_code == 400
    assert newer.post("/images/generations", json=small | {"model": "dall-e-3"}).status_code == 200
