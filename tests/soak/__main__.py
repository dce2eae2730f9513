"""Run the soak and print its table; the exit code is 0 only if both ends agree and nothing grew."""

import argparse
import asyncio
import sys

from .run import soak


def _main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=180.0, help="how long (default: 180)")
    parser.add_argument("--transport", choices=("httpx", "aiohttp"), default="httpx")
    parser.add_argument("--seed", type=int, default=1, help="of the faults and the calls (default: 1)")
    parser.add_argument(
        "--share", type=float, default=0.1, help="of the requests that meet a fault (default: 0.1)"
    )
    options = parser.parse_args()
    shown, sound = asyncio.run(
        soak(transport=options.transport, seconds=options.seconds, seed=options.seed, share=options.share)
    )
    print(shown)  # noqa: T201
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(_main())
