/// Takes the framing off a chunked body, piece by piece, without copying the payload.
///
/// Extensions are checked and dropped. Trailers are held to the rules for field lines and kept
/// apart: merging them into the head would let a sender add fields after they have been judged.
///
/// - Source: RFC 9112, section 7.1.
public struct ChunkedDecoder: Sendable {
    private let limits: WireLimits
    private var phase = Phase.size
    private var failure: WireError.Code?
    private var size: UInt64 = 0
    private var sizeDigits = 0
    private var extensionBytes = 0
    private var overheadBytes = 0
    private var trailerBytes = 0
    private var trailerFields = 0
    /// The bytes of payload that the chunks so far have announced.
    public private(set) var bodyBytes: UInt64 = 0
    /// The trailer section so far, with the line ends; whole when the body has ended.
    public private(set) var trailers: [UInt8] = []

    /// What the next byte belongs to.
    private enum Phase {
        case size, sizeLineFeed
        case beforeSemicolon, nameStart, name, afterName
        case valueStart, value, quoted, quotedPair, afterQuoted
        case data, dataCarriageReturn, dataLineFeed
        case trailerStart, trailerName, trailerValue, trailerLineFeed
        case lastLineFeed, done
    }

    /// Makes a decoder at the start of a body.
    public init(limits: WireLimits) {
        self.limits = limits
    }

    /// Reads up to the next payload, the end, an error, or the end of the input.
    ///
    /// - Shape: call again with what follows the consumed bytes until `end` or `invalid`; both
    ///   stay the answer from then on.
    public mutating func decode(_ input: UnsafeRawBufferPointer) -> ChunkedEvent {
        if let failure { return .invalid(WireError(failure, offset: 0)) }
        if phase == .done { return .end(consumed: 0) }
        let bytes = unsafe ByteSlice(input)
        var at = 0
        while at < bytes.count {
            if phase == .data {
                let length = Int(min(size, UInt64(bytes.count - at)))
                size -= UInt64(length)
                if size == 0 { phase = .dataCarriageReturn }
                return .data(bytes[at..<(at + length)], consumed: at + length)
            }
            if let code = step(bytes[at]) {
                failure = code
                return .invalid(WireError(code, offset: at))
            }
            at += 1
            if phase == .done { return .end(consumed: at) }
        }
        return .needMore(consumed: at)
    }

    /// Takes one byte of framing; returns what is wrong with it.
    private mutating func step(_ byte: UInt8) -> WireError.Code? {
        switch phase {
        case .size: return stepSize(byte)
        case .sizeLineFeed:
            guard byte == 0x0A else { return .bareCarriageReturn }
            return beginChunk()
        case .beforeSemicolon, .nameStart, .name, .afterName, .valueStart, .value, .quoted,
            .quotedPair, .afterQuoted:
            extensionBytes += 1
            guard byte == 0x0D || extensionBytes <= limits.chunkExtensionBytesMax else {
                return .chunkExtensionTooLong
            }
            return stepExtension(byte)
        case .dataCarriageReturn:
            guard byte == 0x0D else { return .chunkEndMissing }
            phase = .dataLineFeed
        case .dataLineFeed:
            guard byte == 0x0A else { return .chunkEndMissing }
            phase = .size
            size = 0
            sizeDigits = 0
        case .trailerStart, .trailerName, .trailerValue, .trailerLineFeed, .lastLineFeed:
            trailerBytes += 1
            guard trailerBytes <= limits.trailerBytesMax else { return .trailerTooLong }
            let isOfAField = phase != .lastLineFeed && (phase != .trailerStart || byte != 0x0D)
            if isOfAField { trailers.append(byte) }
            return stepTrailer(byte)
        case .data, .done: break
        }
        return nil
    }

    private mutating func stepSize(_ byte: UInt8) -> WireError.Code? {
        if let digit = CharacterClass.hexValue(byte) {
            sizeDigits += 1
            guard sizeDigits <= 16, size >> 59 == 0 else { return .chunkSizeTooLarge }
            size = size << 4 | UInt64(digit)
            return nil
        }
        guard sizeDigits > 0 else { return .chunkSizeInvalid }
        extensionBytes = 1
        switch byte {
        case 0x0D: phase = .sizeLineFeed
        case 0x0A: return .bareLineFeed
        case UInt8(ascii: ";"): phase = .nameStart
        case 0x20, 0x09: phase = .beforeSemicolon
        default: return .chunkSizeInvalid
        }
        return nil
    }

    private mutating func beginChunk() -> WireError.Code? {
        // Extensions are worth nothing to anybody, and a chunk may be a single byte: together they
        // would let a sender have thousands of bytes looked at for each one that counts.
        let lineBytes = sizeDigits + extensionBytes
        overheadBytes += lineBytes - 16 - 2 * Int(min(size, 1 << 32))
        overheadBytes = max(0, overheadBytes)
        guard overheadBytes <= limits.chunkOverheadBytesMax else { return .chunkOverheadTooLarge }
        if size == 0 {
            phase = .trailerStart
            return nil
        }
        let (total, overflow) = bodyBytes.addingReportingOverflow(size)
        guard !overflow, total <= limits.bodyBytesMax else { return .bodyTooLong }
        bodyBytes = total
        phase = .data
        return nil
    }

    /// - Source: RFC 9112, section 7.1.1: `*( BWS ";" BWS name [ BWS "=" BWS value ] )`.
    private mutating func stepExtension(_ byte: UInt8) -> WireError.Code? {
        let isBlank = CharacterClass.isBlank(byte)
        let isToken = CharacterClass.isToken(byte)
        switch phase {
        case .beforeSemicolon where isBlank, .nameStart where isBlank,
            .afterName where isBlank, .valueStart where isBlank:
            break
        case .nameStart where isToken: phase = .name
        case .name where isToken, .value where isToken: break
        case .valueStart where isToken: phase = .value
        case .valueStart where byte == UInt8(ascii: "\""): phase = .quoted
        case .name where byte == UInt8(ascii: "="), .afterName where byte == UInt8(ascii: "="):
            phase = .valueStart
        case .beforeSemicolon where byte == UInt8(ascii: ";"),
            .name where byte == UInt8(ascii: ";"), .afterName where byte == UInt8(ascii: ";"),
            .value where byte == UInt8(ascii: ";"), .afterQuoted where byte == UInt8(ascii: ";"):
            phase = .nameStart
        case .name where isBlank: phase = .afterName
        case .value where isBlank, .afterQuoted where isBlank: phase = .beforeSemicolon
        case .name where byte == 0x0D, .value where byte == 0x0D, .afterQuoted where byte == 0x0D:
            phase = .sizeLineFeed
        case .quoted where byte == UInt8(ascii: "\""): phase = .afterQuoted
        case .quoted where byte == UInt8(ascii: "\\"): phase = .quotedPair
        case .quoted where CharacterClass.isFieldValue(byte): break
        case .quotedPair where CharacterClass.isFieldValue(byte): phase = .quoted
        default: return byte == 0x0A ? .bareLineFeed : .chunkExtensionInvalid
        }
        return nil
    }

    private mutating func stepTrailer(_ byte: UInt8) -> WireError.Code? {
        switch phase {
        case .trailerStart where byte == 0x0D: phase = .lastLineFeed
        case .trailerStart where CharacterClass.isToken(byte):
            trailerFields += 1
            guard trailerFields <= limits.fieldCountMax else { return .tooManyFields }
            phase = .trailerName
        case .trailerStart where CharacterClass.isBlank(byte): return .foldedLine
        case .trailerName where CharacterClass.isToken(byte): break
        case .trailerName where byte == UInt8(ascii: ":"): phase = .trailerValue
        case .trailerName where CharacterClass.isBlank(byte): return .blankBeforeColon
        case .trailerName where byte == 0x0D: return .colonMissing
        case .trailerValue where byte == 0x0D: phase = .trailerLineFeed
        case .trailerValue where CharacterClass.isFieldValue(byte): break
        case .trailerLineFeed where byte == 0x0A: phase = .trailerStart
        case .lastLineFeed where byte == 0x0A: phase = .done
        case .trailerLineFeed, .lastLineFeed: return .bareCarriageReturn
        default:
            if byte == 0x0A { return .bareLineFeed }
            return phase == .trailerValue ? .controlByte : .fieldNameInvalid
        }
        return nil
    }
}
