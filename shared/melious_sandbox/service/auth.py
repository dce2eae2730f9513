"""Keys and scopes."""

from collections.abc import Iterable, Mapping

from melious_sandbox.service.errors import SandboxError

SCOPES = {
    "chat": "inference.chat",
    "embeddings": "inference.embeddings",
    "rerank": "inference.rerank",
    "images": "inference.images",
    "audio": "inference.audio",
    "models": "inference.models",
}


class KeyRing:
    """The keys that the sandbox knows, each with its scopes.

    Args:
        api_key: The main key; it may do everything unless ``keys`` says otherwise.
        keys: Further keys with their scopes: ``*``, ``inference.*``, ``inference.chat`` and so on. No scope
            at all means every scope, as with the oldest keys of the service.
    """

    def __init__(self, api_key: str, keys: Mapping[str, Iterable[str]] | None = None) -> None:
        self._scopes: dict[str, frozenset[str]] = {api_key: frozenset()}
        self._scopes.update({key: frozenset(scopes) for key, scopes in (keys or {}).items()})

    def check(self, headers: Mapping[str, str], endpoint: str) -> None:
        """Check the key of a request against the scope of an endpoint.

        Raises:
            SandboxError: No key, an unknown key, or a key without the scope.
        """
        key = _key_of(headers)
        if not key:
            raise SandboxError("no_key")
        scopes = self._scopes.get(key)
        if scopes is None:
            raise SandboxError("auth")
        wanted = SCOPES[endpoint]
        if scopes and not scopes & {"*", "inference.*", wanted}:
            raise SandboxError(
                "scope",
                f"The API key lacks the scope '{wanted}', which this endpoint requires.",
                details={"required_scope": wanted},
            )


def _key_of(headers: Mapping[str, str]) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return headers.get("x-api-key", "").strip()
