"""Where the layout of a provider's events is looked up, and in which order."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tracecheck.payload.manifest import filter_manager
from tracecheck.payload.manifest.catalogue import CatalogueError, open_catalogue

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from tracecheck.payload.manifest.catalogue import Catalogue
    from tracecheck.payload.manifest.definition import Provider


class Layouts:
    """The layouts that are known: those given, those of the trace, our own, then the catalogue's.

    Args:
        given: Providers of manifests that the user names; of two with one GUID, the first one's events hold.
        catalogue: False to leave the catalogue alone.

    Attributes:
        problems: Why the catalogue could not be asked, a line at most.
    """

    def __init__(self, given: Iterable[Provider] = (), *, catalogue: bool = True) -> None:
        self.problems: list[str] = []
        self._known: dict[UUID, Provider | None] = {}
        self._catalogue: Catalogue | None = None
        self._asks = catalogue
        for provider in given:
            self.add(provider)

    def add(self, provider: Provider) -> None:
        """Add a provider, as of a manifest in the trace; what is known of it already holds."""
        before = self._known.get(provider.guid)
        if before is not None:
            provider = replace(before, events={**provider.events, **before.events})
        self._known[provider.guid] = provider

    def find(self, guid: UUID) -> Provider | None:
        """Give a provider's layouts; None where nobody knows it.

        The catalogue is opened (the first time on a machine: made, which takes seconds) for the first
        provider that nothing else knows.
        """
        if guid not in self._known:
            self._known[guid] = filter_manager.provider() if guid == filter_manager.GUID else self._ask(guid)
        return self._known[guid]

    def _ask(self, guid: UUID) -> Provider | None:
        if not self._asks:
            return None
        if self._catalogue is None:
            try:
                self._catalogue = open_catalogue()
            except CatalogueError as error:
                self._asks = False
                self.problems.append(str(error))
                return None
        return self._catalogue.find(guid)
