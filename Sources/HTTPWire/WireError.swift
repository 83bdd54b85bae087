/// Why bytes were refused: a stable code, the status to answer with, and where the trouble lies.
///
/// Making one allocates nothing; texts are built when they are asked for.
public struct WireError: Error, Equatable, Sendable {
    /// What is wrong.
    public let code: Code
    /// The position of the offending bytes in the buffer that was given to the parser.
    public let offset: Int

    /// Makes an error about the bytes at `offset`.
    public init(_ code: Code, offset: Int) {
        self.code = code
        self.offset = offset
    }

    /// The reasons for a refusal; the names are stable and fit for logs and metrics.
    public enum Code: String, Sendable, CaseIterable {
        case bareLineFeed, bareCarriageReturn, controlByte
        case tooManyEmptyLines, methodInvalid, methodTooLong
        case requestLineMalformed, requestLineTooLong
        case targetInvalid, authorityInvalid, versionMalformed, versionUnsupported
        case statusLineMalformed, statusInvalid
        case headTooLong, tooManyFields
        case fieldNameInvalid, blankBeforeColon, colonMissing, foldedLine
        case hostMissing, hostRepeated, hostInvalid
        case contentLengthInvalid, contentLengthRepeated, lengthAndTransferEncoding
        case transferEncodingInHTTP10, transferEncodingInvalid, transferEncodingRepeated
        case transferEncodingUnsupported, expectationUnknown
        case chunkSizeInvalid, chunkSizeTooLarge, chunkExtensionInvalid, chunkExtensionTooLong
        case chunkOverheadTooLarge, chunkEndMissing, trailerTooLong, bodyTooLong
        case pathNotAbsolute, pathEscapeInvalid, pathHasNUL, pathNotUTF8, pathLeavesRoot
    }

    /// The status to answer with.
    public var status: UInt16 {
        switch code {
        case .bodyTooLong: 413
        case .requestLineTooLong: 414
        case .expectationUnknown: 417
        case .headTooLong, .tooManyFields, .trailerTooLong: 431
        case .transferEncodingUnsupported: 501
        case .versionUnsupported: 505
        default: 400
        }
    }

    /// Returns the offending bytes, escaped, the first 64 of them.
    ///
    /// - Shape: printable ASCII; see `ByteSlice.escaped(bytesMax:)`.
    public func excerpt(of input: UnsafeRawBufferPointer) -> String {
        let whole = unsafe ByteSlice(input)
        return whole[min(offset, whole.count)..<whole.count].escaped(bytesMax: 64)
    }
}

extension WireError: CustomStringConvertible {
    /// Which bytes are meant.
    public var subject: String { "byte \(offset) of the input" }

    /// Why the bytes are refused, with the clause that says so.
    public var reasons: [String] { [explanation.why] }

    /// What the sender can do.
    public var remedy: String { explanation.fix }

    /// What happened, why, and what to do, on three lines.
    public var description: String {
        """
        error: the request was refused with status \(status) (\(code.rawValue)), at \(subject)
          why: \(explanation.why)
          fix: \(explanation.fix)
        """
    }

    private var explanation: (why: String, fix: String) {
        switch code {
        case .bareLineFeed:
            ("a line ends in LF alone (RFC 9112, 2.2)", "end every line with CR LF")
        case .bareCarriageReturn:
            ("a CR is not followed by LF (RFC 9112, 2.2)", "end every line with CR LF")
        case .controlByte:
            ("a control byte stands in the head (RFC 9110, 5.5)", "send no NUL or other controls")
        case .tooManyEmptyLines:
            ("too many empty lines precede the request (RFC 9112, 2.2)", "send none")
        case .methodInvalid:
            ("the method is not a token (RFC 9110, 9.1)", "use a method such as GET")
        case .methodTooLong:
            (
                "the method alone is longer than a request line may be (RFC 9112, 3)",
                "use a method such as GET"
            )
        case .requestLineMalformed:
            (
                "the request line is not `method SP target SP version` (RFC 9112, 3)",
                "separate the three parts by one space each"
            )
        case .requestLineTooLong:
            ("the request line is longer than allowed (RFC 9112, 3)", "shorten the target")
        case .targetInvalid:
            (
                "the request target has no valid form for this method (RFC 9112, 3.2)",
                "send an absolute path and escape other bytes as %XX"
            )
        case .authorityInvalid:
            ("the target's authority is not host[:port] (RFC 9110, 4.2)", "correct host and port")
        case .versionMalformed:
            ("the version is not HTTP/digit.digit (RFC 9112, 2.3)", "send HTTP/1.1")
        case .versionUnsupported:
            ("the major version is not 1 (RFC 9110, 15.6.6)", "send HTTP/1.1")
        case .statusLineMalformed:
            (
                "the status line is not `version SP status SP reason` (RFC 9112, 4)",
                "separate the parts by one space each, also before an empty reason"
            )
        case .statusInvalid:
            ("the status is not from 100 to 599 (RFC 9110, 15)", "answer with a registered status")
        case .headTooLong:
            ("the head is longer than allowed (RFC 6585, 5)", "send fewer or shorter fields")
        case .tooManyFields:
            ("there are more fields than allowed (RFC 6585, 5)", "send fewer fields")
        case .fieldNameInvalid:
            ("a field name is not a token (RFC 9110, 5.1)", "use letters, digits and hyphens")
        case .blankBeforeColon:
            ("a blank precedes the colon (RFC 9112, 5.1)", "put the colon right after the name")
        case .colonMissing:
            ("a field line has no colon (RFC 9112, 5)", "send `name: value`")
        case .foldedLine:
            ("a field line begins with a blank (RFC 9112, 5.2)", "put each field on one line")
        case .hostMissing:
            ("an HTTP/1.1 request has no Host field (RFC 9112, 3.2)", "send one Host field")
        case .hostRepeated:
            ("there is more than one Host field (RFC 9112, 3.2)", "send one Host field")
        case .hostInvalid:
            ("the Host field is not host[:port] (RFC 9112, 3.2)", "correct host and port")
        case .contentLengthInvalid:
            ("Content-Length is not one decimal number (RFC 9110, 8.6)", "send digits only")
        case .contentLengthRepeated:
            ("Content-Length occurs more than once (RFC 9112, 6.3)", "send it once")
        case .lengthAndTransferEncoding:
            (
                "Content-Length and Transfer-Encoding both occur (RFC 9112, 6.1)",
                "send only one of them"
            )
        case .transferEncodingInHTTP10:
            ("HTTP/1.0 has no Transfer-Encoding (RFC 9112, 6.1)", "send Content-Length")
        case .transferEncodingInvalid:
            ("`chunked` is not the last transfer coding (RFC 9112, 6.3)", "send `chunked` alone")
        case .transferEncodingRepeated:
            ("Transfer-Encoding occurs more than once (RFC 9112, 6.1)", "send `chunked` once")
        case .transferEncodingUnsupported:
            ("only the coding `chunked` is offered (RFC 9112, 6.1)", "send `chunked` alone")
        case .expectationUnknown:
            ("only `100-continue` can be expected (RFC 9110, 10.1.1)", "drop the Expect field")
        case .chunkSizeInvalid:
            ("a chunk does not begin with its size in hex (RFC 9112, 7.1)", "correct the chunk")
        case .chunkSizeTooLarge:
            ("a chunk size exceeds 63 bits (RFC 9112, 7.1)", "send smaller chunks")
        case .chunkExtensionInvalid:
            ("a chunk extension is malformed (RFC 9112, 7.1.1)", "send no chunk extensions")
        case .chunkExtensionTooLong:
            ("a chunk extension is longer than allowed (RFC 9112, 7.1.1)", "send none")
        case .chunkOverheadTooLarge:
            (
                "the chunks have far more framing than payload (RFC 9112, 7.1.1)",
                "send larger chunks, and no extensions"
            )
        case .chunkEndMissing:
            ("a chunk's data is not followed by CR LF (RFC 9112, 7.1)", "correct the chunk size")
        case .trailerTooLong:
            ("the trailer section is longer than allowed (RFC 6585, 5)", "send fewer trailers")
        case .bodyTooLong:
            ("the body is longer than allowed (RFC 9110, 15.5.14)", "send a shorter body")
        case .pathNotAbsolute:
            ("the path does not begin with a slash (RFC 9112, 3.2.1)", "send an absolute path")
        case .pathEscapeInvalid:
            ("% is not followed by two hex digits (RFC 3986, 2.1)", "escape % itself as %25")
        case .pathHasNUL:
            ("the path has an escaped NUL byte", "remove %00 from the path")
        case .pathNotUTF8:
            ("the decoded path is not UTF-8", "encode the path as UTF-8 before escaping it")
        case .pathLeavesRoot:
            ("`..` leads above the root (RFC 3986, 5.2.4)", "remove the dot segments")
        }
    }
}
