"""The names that a manifest may use without defining them.

Sources: winmeta.xml and EventManifest.xsd of the Windows SDK.
"""

from __future__ import annotations

from tracecheck.payload._schema import In, Out

#: inType, without its prefix. A win:SizeT is as wide as a pointer.
IN_TYPES: dict[str, In] = {
    "UnicodeString": In.UNICODESTRING,
    "AnsiString": In.ANSISTRING,
    "Int8": In.INT8,
    "UInt8": In.UINT8,
    "Int16": In.INT16,
    "UInt16": In.UINT16,
    "Int32": In.INT32,
    "UInt32": In.UINT32,
    "Int64": In.INT64,
    "UInt64": In.UINT64,
    "Float": In.FLOAT,
    "Double": In.DOUBLE,
    "Boolean": In.BOOL32,
    "Binary": In.BINARY,
    "GUID": In.GUID,
    "Pointer": In.POINTER,
    "SizeT": In.POINTER,
    "FILETIME": In.FILETIME,
    "SYSTEMTIME": In.SYSTEMTIME,
    "SID": In.SID,
    "HexInt32": In.HEXINT32,
    "HexInt64": In.HEXINT64,
    "CountedUnicodeString": In.COUNTEDSTRING,
    "CountedAnsiString": In.COUNTEDANSISTRING,
    "CountedUtf16String": In.COUNTEDSTRING,
    "CountedMbcsString": In.COUNTEDANSISTRING,
    "CountedBinary": In.COUNTEDBINARY,
}

#: outType, without its prefix: those that change what a value becomes.
OUT_TYPES: dict[str, Out] = {
    "string": Out.STRING,
    "boolean": Out.BOOLEAN,
    "HexInt8": Out.HEX,
    "HexInt16": Out.HEX,
    "HexInt32": Out.HEX,
    "HexInt64": Out.HEX,
    "PID": Out.PID,
    "TID": Out.TID,
    "Port": Out.PORT,
    "IPv4": Out.IPV4,
    "IPv6": Out.IPV6,
    "SocketAddress": Out.SOCKETADDRESS,
    "Xml": Out.XML,
    "Json": Out.JSON,
    "Utf8": Out.UTF8,
    "Win32Error": Out.WIN32ERROR,
    "NTSTATUS": Out.NTSTATUS,
    "HResult": Out.HRESULT,
    "CodePointer": Out.CODE_POINTER,
    "DateTimeUtc": Out.DATETIME_UTC,
}

#: level, without its prefix.
LEVELS: dict[str, int] = {
    "LogAlways": 0,
    "Critical": 1,
    "Error": 2,
    "Warning": 3,
    "Informational": 4,
    "Verbose": 5,
}

#: opcode, without its prefix.
OPCODES: dict[str, int] = {
    "Info": 0,
    "Start": 1,
    "Stop": 2,
    "DC_Start": 3,
    "DC_Stop": 4,
    "Extension": 5,
    "Reply": 6,
    "Resume": 7,
    "Suspend": 8,
    "Send": 9,
    "Receive": 240,
}

#: keyword, without its prefix.
KEYWORDS: dict[str, int] = {
    "AnyKeyword": 0,
    "ResponseTime": 1 << 48,
    "WDIContext": 1 << 49,
    "WDIDiag": 1 << 50,
    "SQM": 1 << 51,
    "AuditFailure": 1 << 52,
    "AuditSuccess": 1 << 53,
    "CorrelationHint": 1 << 52,
    "EventlogClassic": 1 << 55,
}
