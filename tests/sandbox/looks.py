"""How a page looks in the browser: what is cut off, hard to read, or without a name; and the pixels of a picture."""

import struct
import zlib

# Cells whose text does not fit in.
CUT_OFF = """[...document.querySelectorAll("#totals div, #rows th, #rows td")]
  .filter((cell) => cell.scrollWidth > cell.clientWidth + 1).map((cell) => cell.innerText)"""

# Controls that a screen reader could not name.
NAMELESS = """[...document.querySelectorAll("button, input, select, a, summary, pre[tabindex], svg")]
  .filter((e) => e.checkVisibility() && !(e.ariaLabel || e.innerText?.trim() || e.labels?.[0]?.innerText.trim()))
  .map((e) => e.outerHTML)"""

# Texts whose colours are nearer to each other than 4.5 to 1.
LOW_CONTRAST = """(() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = numbers(colour).slice(0, 3).map((n) => n / 255)
      .map((n) => n <= 0.03928 ? n / 12.92 : ((n + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (numbers(colour)[3] !== 0) return colour;
    }
    return "rgb(255,255,255)";
  };
  const poor = [];
  for (const e of document.querySelectorAll("body *")) {
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
    if (["SCRIPT", "STYLE", "NOSCRIPT"].includes(e.tagName)) continue;
    const [a, b] = [light(getComputedStyle(e).color), light(behind(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push(`${e.tagName}.${e.className} ${ratio.toFixed(2)}`);
  }
  return poor;
})()"""


def corner_and_darkest(png):
    """Brightness of the top left pixel, and of the pixel that differs most from it, in a PNG of a page."""
    width, height, _, kind = struct.unpack(">IIBB", png[16:26])
    size = {2: 3, 6: 4}[kind]
    data, place = b"", 8
    while place < len(png):
        length = int.from_bytes(png[place : place + 4], "big")
        if png[place + 4 : place + 8] == b"IDAT":
            data += png[place + 8 : place + 8 + length]
        place += 12 + length
    raw, stride = zlib.decompress(data), width * size
    line, brightness = bytearray(stride), []
    for row in range(min(height, 60)):
        start = row * (stride + 1)
        line = unfiltered(raw[start], raw[start + 1 : start + 1 + stride], line, size)
        brightness += [line[x] for x in range(0, stride, size)]
    ground = brightness[0]
    return ground, max(brightness, key=lambda value: abs(value - ground))


def unfiltered(kind, data, above, size):
    line = bytearray(data)
    for x in range(len(line)):
        left = line[x - size] if x >= size else 0
        corner = above[x - size] if x >= size else 0
        up = above[x]
        guess = left + up - corner
        nearest = min((left, up, corner), key=lambda value: abs(guess - value))
        line[x] = (line[x] + (0, left, up, (left + up) // 2, nearest)[kind]) & 255
    return line
