"""How a component comes to be: the class, its arguments, the server; all that a subclass tells the suite."""

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from conformance.kit import Way
from conformance.service import Service


class Factory:
    """Makes the component under test.

    Attributes:
        component_class: The class under test.
        arguments: What its constructor always needs, such as the model.
        key_argument: The constructor's word for the key.
        url_argument: The constructor's word for the address.
    """

    component_class: type[Any]
    arguments: ClassVar[Mapping[str, Any]] = {}
    key_argument: str = "api_key"
    url_argument: str = "api_base"

    @pytest.fixture
    def service(self) -> Service:
        """The server; override this fixture."""
        raise NotImplementedError("override the fixture `service`")

    @pytest.fixture(params=["sync", "async"])
    def way(self, request: pytest.FixtureRequest) -> Way:
        """Both ways to call."""
        return Way(request.param)

    def make(self, service: Service, **more: Any) -> Any:
        """A component that leads to the server."""
        place = {self.key_argument: service.api_key, self.url_argument: service.base_url}
        return self.component_class(**{**place, **self.arguments, **more})

    def offered(self, switch: object, what: str) -> None:
        """Skip the test of something that the integration does not offer."""
        if not switch:
            pytest.skip(f"not offered: {what}")
