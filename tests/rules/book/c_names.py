"""Names of the WDK that the book's examples call, besides the filter manager's context routines."""

#: Routines and macros of the WDK's headers.
WDK = frozenset(
    """
    CONTAINING_RECORD ExAllocatePool2 ExAllocatePoolWithTag ExFreePoolWithTag FIELD_OFFSET FlagOn
    FltCancelFileOpen FltDoCompletionProcessingWhenSafe FltEnlistInTransaction FltFreeGenericWorkItem
    FltObjectDereference FltObjectReference FltQueueGenericWorkItem FsRtlGetPerStreamContextPointer
    FsRtlInsertPerFileObjectContext FsRtlRemovePerFileObjectContext FsRtlSupportsPerStreamContexts
    InitializeListHead InsertTailList InterlockedExchangePointer InterlockedIncrement
    InterlockedIncrement64 IoCallDriver IoDeleteDevice IoQueueWorkItem IoSkipCurrentIrpStackLocation
    IsListEmpty KeSetEvent KeWaitForSingleObject NT_ASSERT NT_SUCCESS ObDereferenceObject RemoveHeadList
    RtlZeroMemory ZwClose
    """.split()  # noqa: SIM905 - a list of so many is hard to read
)

#: Words of C that stand before a parenthesis.
KEYWORDS = frozenset({"if", "while", "for", "switch", "return", "sizeof"})

#: How many arguments a routine takes, for those that the examples call with all of them written out.
ARGUMENTS = {
    "FltAllocateContext": 5,
    "FltReleaseContext": 1,
    "FltReferenceContext": 1,
    "FltDeleteContext": 1,
    "FltSetFileContext": 5,
    "FltSetStreamContext": 5,
    "FltSetStreamHandleContext": 5,
    "FltSetTransactionContext": 5,
    "FltSetInstanceContext": 4,
    "FltSetVolumeContext": 4,
    "FltGetFileContext": 3,
    "FltGetStreamContext": 3,
    "FltGetStreamHandleContext": 3,
    "FltGetSectionContext": 3,
    "FltGetTransactionContext": 3,
    "FltGetVolumeContext": 3,
    "FltGetInstanceContext": 2,
    "FltGetContexts": 3,
    "FltGetContextsEx": 4,
    "FltReleaseContexts": 1,
    "FltReleaseContextsEx": 2,
    "FltDeleteFileContext": 3,
    "FltDeleteStreamContext": 3,
    "FltDeleteStreamHandleContext": 3,
    "FltDeleteTransactionContext": 3,
    "FltDeleteVolumeContext": 3,
    "FltDeleteInstanceContext": 2,
    "FltSupportsStreamContexts": 1,
    "FltRegisterForDataScan": 1,
    "FltCreateSectionForDataScan": 12,
    "FltCloseSectionForDataScan": 1,
    "FltEnlistInTransaction": 4,
    "FltUnregisterFilter": 1,
    "FltCancelFileOpen": 2,
    "FltObjectReference": 1,
    "FltObjectDereference": 1,
    "FltDoCompletionProcessingWhenSafe": 6,
    "FltQueueGenericWorkItem": 5,
    "FltFreeGenericWorkItem": 1,
    "FsRtlInitPerStreamContext": 4,
    "FsRtlInsertPerStreamContext": 2,
    "FsRtlLookupPerStreamContext": 3,
    "FsRtlRemovePerStreamContext": 3,
    "FsRtlTeardownPerStreamContexts": 1,
    "FsRtlGetPerStreamContextPointer": 1,
    "FsRtlSupportsPerStreamContexts": 1,
    "FsRtlInsertPerFileObjectContext": 2,
    "FsRtlRemovePerFileObjectContext": 3,
    "ExAllocatePool2": 3,
    "ExAllocatePoolWithTag": 3,
    "ExFreePoolWithTag": 2,
}

#: Fields of the canonical provider, as the capture schema names them.
FIELDS = frozenset(
    """
    Context OldContext OldRequested Filter Instance Volume FileObject Transaction Stream ContextType
    Operation Status Size PoolType PoolTag Irql MajorFunction Phase PagingFile Function File Line Caller
    Begin Time ProcessId ThreadId Processor Sequence VolumeContext InstanceContext FileContext
    StreamContext StreamHandleContext TransactionContext SectionContext DesiredContexts SectionHandle
    SectionObject OwnerId InstanceId FreeCallback Version Coverage
    """.split()  # noqa: SIM905 - a list of so many is hard to read
)
