"""Logs as Microsoft's ctx sample writes them: what its functions print, call by call, for opens and closes.

The functions below follow the sample's own, one for one, and print what those print with all context
operations and instances enabled. The driver they log has no fault.
"""

import itertools

NOT_FOUND, ALREADY_DEFINED = 0xC0000225, 0xC01C0002
NAME = r"\Device\HarddiskVolume2\dir (old), 1\a file.txt"


class CtxDriver:
    """The sample's functions; ``lines`` is what they print.

    Args:
        instance: The instance to which all files belong.
    """

    def __init__(self, instance=0xFFFFA80012340010):
        self.lines = []
        self.instance = instance
        self._next = itertools.count(0xFFFFB00000001000, 0x100)
        self.attached = {}

    def say(self, text, **values):
        """Print a line; ``{name}`` is a pointer as %p prints it."""
        shown = {name: f"{value:016X}" if isinstance(value, int) else value for name, value in values.items()}
        self.lines.append("[Ctx]: " + text.format(**shown, instance=f"{self.instance:016X}"))

    def attach(self):
        """CtxInstanceSetup, for one volume."""
        context = next(self._next)
        volume = 0xFFFFA80000000020
        self.say("Instance setup started (Volume = {volume}, Instance = {instance})", volume=volume)
        self.say("Allocating instance context (Volume = {volume}, Instance = {instance})", volume=volume)
        where = "for volume {name} (Volume = {volume}, Instance = {instance})"
        name = r"\Device\HarddiskVolume2"
        self.say("Setting instance context {context} " + where, context=context, volume=volume, name=name)
        self.say(
            "Releasing instance context {context} (Volume = {volume}, Instance = {instance})",
            context=context,
            volume=volume,
        )
        end = "Filter will attach to the volume."
        self.say("Instance setup complete (Volume = {volume}, Instance = {instance}). " + end, volume=volume)
        self.attached["instance"] = context

    def find_or_create(self, kind, file, create=True, race=None):
        """CtxFindOrCreateFileContext and CtxFindOrCreateStreamContext; tells whether one was created."""
        place = "(FileObject = {file}, Instance = {instance})"
        self.say(f"Trying to get {kind} context {place}", file=file)
        if kind in self.attached or not create:
            return False
        self.say(f"Creating {kind} context {place}", file=file)
        self.say(f"Allocating {kind} context ")
        context = next(self._next)
        self.say(f"Setting {kind} context {{context}} {place}", context=context, file=file)
        if race is not None:
            self.say(f"Failed to set {kind} context with status 0x{ALREADY_DEFINED:x}. {place}", file=file)
            self.say(f"Releasing {kind} context {{context}} {place}", context=context, file=file)
            self.say(
                f"{kind.capitalize()} context already defined. Retaining old {kind} context {{context}} "
                f"{place}",
                context=race,
                file=file,
            )
            self.attached[kind] = race
            return False
        self.attached[kind] = context
        return True

    def create_or_replace_handle(self, file):
        """CtxCreateOrReplaceStreamHandleContext; gives the new context and whether it replaced one."""
        place = "(FileObject = {file}, Instance = {instance}"
        self.say(f"Creating stream handle context {place})", file=file)
        self.say("Allocating stream handle context ")
        context = next(self._next)
        self.say(
            f"Setting stream context {{context}} {place}, ReplaceIfExists = 1)", context=context, file=file
        )
        old = self.attached.get("handle")
        if old is not None:
            self.say(f"Releasing old stream handle context {{old}} {place})", old=old, file=file)
        self.attached["handle"] = context
        return context, old is not None

    def post_create(self, file, race=None):
        """CtxPostCreate: gets or makes all three contexts, and releases them without a line."""
        made = self.find_or_create("stream", file, race=race)
        cbd = 0xFFFFA80000009990
        place = "for file {name} (Cbd = {cbd}, FileObject = {file}"
        self.say(
            f"CtxPostCreate -> Getting/Creating stream context {place}, StreamContext = {{context}}. "
            f"StreamContextCreated = {made:x})",
            name=NAME,
            cbd=cbd,
            file=file,
            context=self.attached["stream"],
        )
        self.say(
            f"CtxPostCreate -> Stream context info {place}, StreamContext = {{context}}) \n\tName = {NAME} "
            "\n\tCreateCount = 1 \n\tCleanupCount = 0, \n\tCloseCount = 0",
            name=NAME,
            cbd=cbd,
            file=file,
            context=self.attached["stream"],
        )
        context, replaced = self.create_or_replace_handle(file)
        self.say(
            f"CtxPostCreate -> Creating/Replacing stream handle context {place} StreamHandleContext = "
            f"{{context}}, StreamHandleContextReplaced = {replaced:x})",
            name=NAME,
            cbd=cbd,
            file=file,
            context=context,
        )
        made = self.find_or_create("file", file)
        self.say(
            f"CtxPostCreate -> Getting/Creating file context {place}, FileContext = {{context}}. "
            f"FileContextCreated = {made:x})",
            name=NAME,
            cbd=cbd,
            file=file,
            context=self.attached["file"],
        )

    def pre_cleanup(self, file, function="CtxPreCleanup"):
        """CtxPreCleanup, and CtxPreClose likewise: get the stream context, release it without a line."""
        self.find_or_create("stream", file, create=False)
        self.say(
            f"{function} -> Getting stream context for file (Cbd = {{cbd}}, FileObject = {{file}}, "
            "StreamContext = {context}. StreamContextCreated = 0)",
            cbd=0xFFFFA80000009990,
            file=file,
            context=self.attached["stream"],
        )

    def close(self, file):
        """The last close: the filter manager drops the contexts, and CtxContextCleanup is called."""
        self.pre_cleanup(file)
        self.pre_cleanup(file, "CtxPreClose")
        handle, stream, of_file = (self.attached.pop(kind) for kind in ("handle", "stream", "file"))
        self.say(
            "Cleaning up stream handle context for file {name} (StreamContext = {context})",
            name=NAME,
            context=handle,
        )
        self.say("Stream handle context cleanup complete.")
        self.say(
            "Cleaning up stream context for file {name} (StreamContext = {context}) \n\tCreateCount = 1 "
            "\n\tCleanupCount = 1, \n\tCloseCount = 1",
            name=NAME,
            context=stream,
        )
        self.say("Stream context cleanup complete.")
        self.say(
            "Cleaning up file context for file {name} (FileContext = {context})", name=NAME, context=of_file
        )
        self.say("File context cleanup complete.")

    def detach(self):
        """CtxInstanceTeardownComplete and the cleanup of the instance context."""
        volume, context = 0xFFFFA80000000020, self.attached.pop("instance")
        self.say("Instance teardown complete started (Instance = {instance})")
        self.say("Getting instance context (Volume = {volume}, Instance = {instance})", volume=volume)
        self.say(
            "Instance teardown for volume {name} (Volume = {volume}, Instance = {instance}, "
            "InstanceContext = {context})",
            name=r"\Device\HarddiskVolume2",
            volume=volume,
            context=context,
        )
        self.say(
            "Releasing instance context {context} for volume {name} "
            "(Volume = {volume}, Instance = {instance})",
            context=context,
            name=r"\Device\HarddiskVolume2",
            volume=volume,
        )
        self.say("Instance teardown complete ended (Instance = {instance})")
        self.say(
            "Cleaning up instance context for volume {name} (Context = {context})",
            name=r"\Device\HarddiskVolume2",
            context=context,
        )
        self.say("Instance context cleanup complete.")


def healthy_run(files=3, *, unload=True):
    """The lines of a run without a fault: an attach, opens and closes, one lost race, a detach."""
    driver = CtxDriver()
    driver.attach()
    for number in range(files):
        file = 0xFFFFA80000100000 + number * 0x200
        driver.post_create(file, race=0xFFFFB000000FF000 if number == 1 else None)
        if number == 2:
            driver.post_create(file)
        driver.close(file)
    if unload:
        driver.say("Unloading driver")
        driver.detach()
    return driver.lines
