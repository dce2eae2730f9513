"""What every component has: a key, an address, clients of HTTP; and lives in processes, threads, loops."""

import asyncio
import copy
import gc
import json
import logging
import pickle
import subprocess
import sys
import threading
import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import httpx
import pytest
from llama_index.core.async_utils import asyncio_run
from llama_index.core.callbacks import CallbackManager, LlamaDebugHandler

from conformance.factory import Factory
from conformance.kit import Way, attempts, observed
from conformance.service import Answer

SECRET = "sk-secret-4711"


class ComponentConformance(Factory):
    """How a component is configured, and how it lives.

    Attributes:
        key_variable: The variable of the environment that holds the key; None if there is none.
        url_variable: The variable that holds the address; None if there is none.
        url_suffixes: What may follow the address all the same.
        needs_key: Whether a component without a key is refused when it is made.
        refuses_bad_urls: Whether an address that is none is refused when the component is made.
        retries: The name of the argument for further attempts after the first; None if there is none.
        retry_timeouts: The arguments under which an attempt that timed out is repeated too.
        takes_clients: Whether clients of httpx can be passed in as `http_client` and `async_http_client`.
        takes_headers: Whether `default_headers` go along with every request.
    """

    key_variable: str | None = None
    url_variable: str | None = None
    url_suffixes: tuple[str, ...] = ("", "/")
    needs_key: bool = True
    refuses_bad_urls: bool = True
    retries: str | None = "max_retries"
    retry_timeouts: ClassVar[Mapping[str, Any]] = {}
    takes_clients: bool = True
    takes_headers: bool = True

    def use(self, component: Any) -> Any:
        """Make one request."""
        raise NotImplementedError

    async def ause(self, component: Any) -> Any:
        """Make one request, for asyncio."""
        raise NotImplementedError

    async def used(self, way: Way, component: Any) -> Any:
        """Make one request in the given way."""
        return self.use(component) if way.name == "sync" else await self.ause(component)

    # --- key and address -----------------------------------------------------------------------------

    def test_key_from_the_environment_and_argument_first(self, service, monkeypatch):
        self.offered(self.key_variable, "a key from the environment")
        monkeypatch.setenv(self.key_variable, service.api_key)
        place = {self.url_argument: service.base_url, **self.arguments}
        self.use(self.component_class(**place))
        assert attempts(service) == 1, f"the key in {self.key_variable} did not lead to one request"
        monkeypatch.setenv(self.key_variable, SECRET)
        self.use(self.make(service))
        assert attempts(service) == 2, "the key of the environment went before the one that was given"

    def test_missing_key_is_named(self, service, monkeypatch):
        self.offered(self.key_variable and self.needs_key, "a need for a key")
        monkeypatch.delenv(self.key_variable, raising=False)
        with pytest.raises(ValueError, match=self.key_variable):
            self.component_class(**{self.url_argument: service.base_url, **self.arguments})

    def test_address_from_the_environment(self, service, monkeypatch):
        self.offered(self.url_variable, "an address from the environment")
        monkeypatch.setenv(self.url_variable, service.base_url)
        self.use(self.component_class(**{self.key_argument: service.api_key, **self.arguments}))
        assert attempts(service) == 1, f"the address in {self.url_variable} was not used"

    def test_addresses_that_end_otherwise(self, service):
        for suffix in self.url_suffixes:
            self.use(self.make(service, **{self.url_argument: service.base_url + suffix}))
        assert attempts(service) == len(self.url_suffixes), "a slash after the address leads elsewhere"

    @pytest.mark.parametrize("url", ["not a url", "ftp://127.0.0.1/v1", "http://"])
    def test_addresses_that_are_none_are_refused(self, service, url):
        self.offered(self.refuses_bad_urls, "a check of the address")
        with pytest.raises(ValueError, match=r"(?i)url"):
            self.make(service, **{self.url_argument: url})

    # --- secrets -------------------------------------------------------------------------------------

    @pytest.mark.parametrize("shown", ["repr", "str", "to_dict", "to_json", "model_dump_json"])
    def test_key_is_not_shown(self, service, shown):
        component = self.make(service, **{self.key_argument: SECRET})
        ways = {
            "repr": repr,
            "str": str,
            "to_dict": lambda one: json.dumps(one.to_dict(), default=str),
            "to_json": lambda one: one.to_json(),
            "model_dump_json": lambda one: one.model_dump_json(),
        }
        assert SECRET not in ways[shown](component), f"the key can be read in {shown}()"

    def test_headers_are_not_serialised(self, service):
        self.offered(self.takes_headers, "headers")
        component = self.make(service, default_headers={"x-pass": SECRET})
        assert SECRET not in json.dumps(component.to_dict(), default=str), "a header is in to_dict()"

    async def test_key_is_not_told_to_observers(self, service, way):
        service.answer(Answer(status=401, body={"error": {"message": "no"}}, times=None))
        debug = LlamaDebugHandler(print_trace_on_end=False)
        manager = CallbackManager([debug])
        component = self.make(service, callback_manager=manager, **{self.key_argument: SECRET})
        with observed() as events, pytest.raises(Exception) as caught:  # noqa: PT011 - any error will do
            await self.used(way, component)
        told = [repr(event.model_dump()) for event in events]
        told += [repr(event.payload) for event in debug.get_events()]
        assert told, "observers were told nothing"
        assert not [text for text in told if SECRET in text], "the key is in an event or a callback's payload"
        assert SECRET not in str(caught.value), "the key is in the error's text"

    # --- serialisation and copies --------------------------------------------------------------------

    def test_to_dict_and_back(self, service, monkeypatch):
        component = self.make(service)
        kept = json.loads(component.to_json())
        assert kept["class_name"] == self.component_class.class_name()
        place = {self.key_argument: service.api_key} if self.key_argument not in kept else {}
        again = self.component_class.from_dict(kept, **place)
        assert again.to_dict() == component.to_dict(), "from_dict(to_dict()) is another component"
        self.use(again)
        assert attempts(service) == 1, "what came back from to_dict() does not work"

    def test_to_dict_does_not_change_with_the_key(self, service):
        one, other = (self.make(service, **{self.key_argument: key}) for key in ("sk-1", "sk-2"))
        assert one.to_dict() == other.to_dict(), (
            "with another key, to_dict() is another: an ingestion cache would be lost with every new key"
        )

    @pytest.mark.parametrize("before", ["new", "used"])
    @pytest.mark.parametrize("how", ["pickle", "deepcopy"])
    def test_copies_work(self, service, how, before, caplog):
        component = self.make(service)
        if before == "used":
            self.use(component)
            asyncio.run(self.ause(component))
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            other = pickle.loads(pickle.dumps(component)) if how == "pickle" else copy.deepcopy(component)
        assert not caplog.records, f"copying warns: {caplog.text}"
        assert other.to_dict() == component.to_dict()
        done = attempts(service)
        self.use(other)
        asyncio.run(self.ause(other))
        assert attempts(service) == done + 2, "the copy's requests did not arrive, once each"

    # --- threads and loops ---------------------------------------------------------------------------

    def test_threads_share_one(self, service):
        component = self.make(service)
        failed: list[Exception] = []

        def work() -> None:
            try:
                self.use(component)
            except Exception as error:
                failed.append(error)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failed, f"in threads, {len(failed)} of 8 calls failed: {failed[0]!r}"
        assert attempts(service) == 8

    # A connection that another loop left behind complains when it is collected.
    @pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
    def test_one_event_loop_after_another(self, service):
        component = self.make(service)
        for _ in range(3):
            asyncio.run(self.ause(component))
        gc.collect()
        assert attempts(service) == 3, f"3 calls on 3 event loops made {attempts(service)} requests"

    @pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
    def test_blocking_code_inside_a_running_loop(self, service):
        component = self.make(service)

        async def main() -> None:
            await self.ause(component)
            asyncio_run(self.ause(component))  # a new loop, in a thread of its own
            await self.ause(component)

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            asyncio.run(main())
            asyncio.run(self.ause(component))
            gc.collect()
        assert attempts(service) == 4, f"4 calls made {attempts(service)} requests"

    def test_nothing_is_asked_before_the_first_call(self, service):
        component = self.make(service)
        repr(component)
        component.to_dict()
        assert not service.requests, "making a component asks the service"

    @pytest.mark.exhaustive  # a process imports the framework
    def test_importing_opens_no_connection(self):
        module = self.component_class.__module__
        code = (
            "import socket\n"
            "def refuse(*_): raise AssertionError('a connection')\n"
            "socket.socket.connect = socket.getaddrinfo = refuse\n"
            f"import {module}\n"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert not done.returncode, f"importing {module} opens a connection: {done.stderr}"

    # --- attempts ------------------------------------------------------------------------------------

    @pytest.mark.parametrize("status", [429, 503])
    async def test_attempts_are_one_plus_retries(self, service, way, status):
        self.offered(self.retries, "retries")
        refused = {"error": {"message": "not now", "type": "server_error", "code": "not_now"}}
        service.answer(Answer(status=status, headers={"retry-after": "0"}, body=refused, times=None))
        with pytest.raises(Exception) as caught:  # noqa: PT011 - the integration's own error
            await self.used(way, self.make(service, **{self.retries: 2}))
        assert attempts(service) == 3, f"{self.retries}=2 on {status} made {attempts(service)} requests"
        assert getattr(caught.value, "status_code", None) == status, "the error does not tell the status"

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
    async def test_what_is_final_is_asked_once(self, service, way, status):
        service.answer(Answer(status=status, body={"error": {"message": "never"}}, times=None))
        with pytest.raises(Exception, match="never") as caught:
            await self.used(way, self.make(service))
        assert attempts(service) == 1, f"{status} was asked {attempts(service)} times"
        assert getattr(caught.value, "status_code", None) == status, "the error does not tell the status"

    async def test_any_retry_after_is_survived(self, service, way):
        self.offered(self.retries, "retries")
        refused = {"error": {"message": "slow"}}
        values = ["0", "0.0", "-1", "", "soon", "Wed, 21 Oct 2015 07:28:00 GMT", None]
        for value in values:
            headers = {} if value is None else {"Retry-After": value}
            service.answer(Answer(status=429, headers=headers, body=refused))
        # One call may get the refusals of several.
        component = self.make(service, **{self.retries: len(values)})
        if way.name == "sync":
            calls = [asyncio.to_thread(self.use, component) for _ in values]
        else:
            calls = [self.ause(component) for _ in values]
        await asyncio.gather(*calls)
        assert attempts(service) == 2 * len(values)

    async def test_retry_after_is_waited_for(self, service, way):
        self.offered(self.retries, "retries")
        service.answer(Answer(status=429, headers={"Retry-After": "0.2"}, body={"error": {"message": "s"}}))
        component = self.make(service, **{self.retries: 1})
        loop = asyncio.get_running_loop()
        started = loop.time()
        await self.used(way, component)
        assert loop.time() - started >= 0.2, "the service asked to wait for a fifth of a second, in vain"

    async def test_timeouts_are_kept_and_counted(self, service, way):
        self.offered(self.retries, "retries")
        service.answer(Answer(delay=600, times=None))
        component = self.make(service, timeout=0.5, **{self.retries: 1, **self.retry_timeouts})
        with pytest.raises(Exception, match=r"(?i)time"):
            await self.used(way, component)
        assert attempts(service) == 2, f"{self.retries}=1 after timeouts made {attempts(service)} requests"

    # --- what goes out -------------------------------------------------------------------------------

    async def test_clients_that_are_passed_in_carry_the_request(self, service, way):
        self.offered(self.takes_clients, "clients of HTTP")
        with httpx.Client(headers={"x-mine": "sync"}, trust_env=False) as client:
            async with httpx.AsyncClient(headers={"x-mine": "async"}, trust_env=False) as other:
                component = self.make(service, http_client=client, async_http_client=other)
                await self.used(way, component)
                assert not client.is_closed
                assert not other.is_closed
        assert service.requests[-1].headers.get("x-mine") == way.name, "another client carried the request"

    async def test_headers_go_along(self, service, way):
        self.offered(self.takes_headers, "headers")
        await self.used(way, self.make(service, default_headers={"x-team": "blue"}))
        assert service.requests[-1].headers.get("x-team") == "blue"

    async def test_both_ways_send_the_same(self, service):
        component = self.make(service)
        self.use(component)
        await self.ause(component)
        first, second = service.requests
        assert first.body == second.body, "the blocking and the async call send different bodies"
