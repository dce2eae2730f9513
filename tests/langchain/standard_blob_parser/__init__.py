"""Standard tests for LangChain's blob parsers: what turns a file, or bytes in memory, into documents.

`langchain-tests` has no suite for `BaseBlobParser`. These classes are used like its own: subclass them, say which
class is tested and what it reads, and pytest collects the items.

    from standard_blob_parser import BlobParserIntegrationTests, BlobParserUnitTests


    class TestMyParserUnit(BlobParserUnitTests):
        @property
        def parser_class(self):
            return MyParser

        @property
        def parser_params(self):
            return {"api_key": "x"}


    class TestMyParserIntegration(BlobParserIntegrationTests):
        @property
        def parser_class(self):
            return MyParser

        @property
        def files(self):
            return {"one.pdf": ONE, "two.pdf": TWO}  # names and bytes of two files with different texts

The items that await need pytest-asyncio with `asyncio_mode = "auto"`. What a parser cannot do is said by a property
(`supports_*`, `waits_for_network`), never by overriding an item; an item that fails for a reason of its own is
overridden with `@pytest.mark.xfail(reason="...")`.
"""

from standard_blob_parser.base import BlobParserTests
from standard_blob_parser.integration import BlobParserIntegrationTests
from standard_blob_parser.unit import BlobParserUnitTests

__all__ = ["BlobParserIntegrationTests", "BlobParserTests", "BlobParserUnitTests"]
