"""Presets, flavors and filters: the same words for clients, calls and both adapters."""

from langchain_melious import ChatMelious, MeliousEmbeddings, MeliousImageGenerator, MeliousRerank
from llama_index_melious import Melious, MeliousEmbedding, MeliousToolSpec
from llama_index_melious import MeliousRerank as LlamaRerank
from melious import Filters, MeliousClient, ProviderFilters
from melious.routing.filters import Flavor

client = MeliousClient(api_key="sk-mel-x", preset="my own", flavor="eco", filters={"countries": ["DE"]})
wanted: Filters = {"countries": ("DE", "FR"), "max_carbon_intensity": 200, "min_speed_tps": 99.5}
strict = client.with_options(filters=wanted).with_routing_fallbacks({"countries": {"DE"}}, "countries", None)
words: list[Flavor] = ["balanced", "speed", "price", "eco", "batch"]
client.chat.create(model="m", messages=[], flavor=words[0], filters=ProviderFilters(min_speed_tps=5))
client.embeddings.create(model="m", input="a", preset="speed", filters=None, verify_location="raise")
ChatMelious(model="m", preset="speed", flavor="eco", filters={"countries": ["DE"]})
MeliousEmbeddings(model="m", preset="my own", filters=wanted)
Melious(model="m", preset="speed", flavor="eco", filters={"countries": ["DE"]})
MeliousToolSpec(preset="my own", filters=wanted, audio_folder="talks")

# Any text may be a preset, as people make their own; what is not text may not.
MeliousClient(api_key="k", preset=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
ChatMelious(model="m", preset=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Melious(model="m", preset=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

MeliousClient(api_key="k", flavor="green")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
client.chat.create(model="m", messages=[], flavor="ecco")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
ChatMelious(model="m", flavor="green")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
MeliousImageGenerator(model="m", flavor="green")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
MeliousRerank(model="m", flavor="green")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Melious(model="m", flavor="green")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
LlamaRerank(model="m", flavor="green")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
MeliousToolSpec(flavor="green")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

MeliousClient(api_key="k", filters={"country": ["DE"]})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
MeliousClient(api_key="k", filters={"countries": "DE"})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
MeliousClient(api_key="k", filters={"max_carbon_intensity": "low"})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
client.chat.create(model="m", messages=[], filters={"country": ["DE"]})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
client.rerank.create(model="m", query="q", documents=["a"], filters={"regions": ["DE"]})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
ProviderFilters(country=["DE"])  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
ChatMelious(model="m", filters={"country": ["DE"]})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
MeliousEmbeddings(model="m", filters={"country": ["DE"]})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Melious(model="m", filters={"countries": "DE"})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
MeliousEmbedding(model="m", filters={"country": ["DE"]})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

client.with_routing_fallbacks("country")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
client.chat.create(model="m", messages=[], verify_location="maybe")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
ChatMelious(model="m", verify_location="maybe")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Melious(model="m", verify_location="maybe")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
