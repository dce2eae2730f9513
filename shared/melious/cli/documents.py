"""`melious documents`: the text of PDF and Office files and of images."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from melious.clients._sync.client import MeliousClient
from melious.errors import InvalidArgumentError

if TYPE_CHECKING:
    from melious.answers.documents import ConvertedDocument


def run_documents(options: argparse.Namespace) -> int:
    """Convert the files and print their text; gives the exit status.

    Raises:
        MeliousError: A file is missing or cannot be converted, or there is no key.
    """
    client = MeliousClient(base_url=options.base_url, allow_insecure_http=options.allow_insecure_http)
    with client:
        try:
            converted = client.documents.convert(options.file)
        except InvalidArgumentError as error:
            error.args = (re.sub(r"^files\[\d+\]: ", "", error.message),)
            error.message = error.args[0]
            raise
    if options.json:
        found = [_plain(name, one) for name, one in zip(options.file, converted.results, strict=True)]
        sys.stdout.write(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    else:
        shown = _lines(options.file, converted.results, by_page=options.pages)
        sys.stdout.write("\n".join(shown) + "\n")
    return 0


def _plain(name: str, document: ConvertedDocument) -> dict[str, Any]:
    return {"file": name, "pages": [page.model_dump(mode="json") for page in document.pages]}


def _lines(names: Sequence[str], documents: Sequence[ConvertedDocument], *, by_page: bool) -> Iterator[str]:
    for name, document in zip(names, documents, strict=True):
        if by_page:
            for number, page in enumerate(document.pages, 1):
                yield f"==> {name}, page {number} of {len(document.pages)} <=="
                yield page.content
        else:
            if len(names) > 1:
                yield f"==> {name} <=="
            yield document.text
