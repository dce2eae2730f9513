"""API keys and their scopes."""

from collections.abc import Iterable, Mapping

from melious_sandbox.service.errors import SandboxError


class KeyRing:
    """The keys that the sandbox knows: the main key, and further ones with their scopes.

    A scope is ``*``, ``inference.*`` or one endpoint, as ``inference.chat``. A key without scopes may do
    everything, as with the oldest keys of the service.
    """

    def __init__(self, api_key: str, keys: Mapping[str, Iterable[str]]) -> None:
        self._scopes = {key: frozenset(scopes) for key, scopes in {api_key: (), **keys}.items()}

    def check(self, headers: Mapping[str, str], endpoint: str) -> None:
        """Check the key of a request to an endpoint."""
        scheme, _, key = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            key = headers.get("x-api-key", "")
        if not key.strip():
            raise SandboxError("no_key")
        scopes = self._scopes.get(key.strip())
        if scopes is None:
            raise SandboxError("auth")
        required = f"inference.{endpoint}"
        if scopes and not scopes & {"*", "inference.*", required}:
            raise SandboxError(
                "scope",
                f"The API key lacks the scope '{required}', which this endpoint requires.",
                details={"required_scope": required},
            )
