internal import HTTPServer
internal import HTTPWire

/// What the access log says of one request.
///
/// On a reactor it is packed as it stands, without being made readable: that is left to the thread
/// that writes.
@safe
struct AccessEntry {
    /// The parts that are numbers.
    struct Figures {
        /// By the monotonic clock.
        var endedNanoseconds: UInt64 = 0
        var durationNanoseconds: UInt64 = 0
        var bodyBytes: UInt64 = 0
        /// 0: no plugin's code had a part in it.
        var generation: UInt64 = 0
        var status: UInt16 = 0
        var remotePort: UInt16 = 0
        var minorVersion: UInt8 = 1
        var hasQuery = false
        var isCut = false
    }

    /// The parts that are text, in the order in which they are packed.
    enum Text: Int, CaseIterable {
        case remoteAddress, method, path, query, requestID, userAgent, referer
        case plugin, routeMethod, routePattern
    }

    /// The most bytes of one text; what a client sends beyond that is left out.
    static let textBytesMax = 8_192

    var figures = Figures()
    private var texts = InlineArray<10, ByteSlice>(repeating: ByteSlice())

    /// Makes an entry that says nothing.
    init() {}

    /// A text, borrowed from whoever gave it.
    subscript(text: Text) -> ByteSlice {
        get { texts[text.rawValue] }
        set { texts[text.rawValue] = newValue[0..<min(newValue.count, Self.textBytesMax)] }
    }

    // MARK: - Packing

    private static let headBytes =
        MemoryLayout<Figures>.stride + Text.allCases.count * MemoryLayout<UInt16>.stride

    /// How many bytes `pack` writes.
    var packedCount: Int {
        var count = Self.headBytes
        for index in texts.indices { count += texts[index].count }
        return count
    }

    /// Copies the entry with its texts.
    func pack(into room: UnsafeMutableRawPointer) {
        unsafe room.storeBytes(of: figures, as: Figures.self)
        var lengths = unsafe room + MemoryLayout<Figures>.stride
        var bytes = unsafe room + Self.headBytes
        for index in texts.indices {
            let text = texts[index]
            unsafe lengths.storeBytes(of: UInt16(truncatingIfNeeded: text.count), as: UInt16.self)
            unsafe lengths += MemoryLayout<UInt16>.stride
            guard let base = unsafe text.base else { continue }
            unsafe bytes.copyMemory(from: base, byteCount: text.count)
            unsafe bytes += text.count
        }
    }

    /// Reads what `pack` has written; the texts stay where they are.
    init(packed room: UnsafeRawPointer) {
        unsafe figures = room.load(as: Figures.self)
        var lengths = unsafe room + MemoryLayout<Figures>.stride
        var bytes = unsafe room + Self.headBytes
        for index in texts.indices {
            let count = unsafe Int(lengths.load(as: UInt16.self))
            unsafe lengths += MemoryLayout<UInt16>.stride
            texts[index] = unsafe ByteSlice(UnsafeRawBufferPointer(start: bytes, count: count))
            unsafe bytes += count
        }
    }
}

extension AccessEntry {
    /// Takes from a report what does not depend on plugins.
    init(_ report: ExchangeReport) {
        self.init()
        figures.endedNanoseconds = report.endedNanoseconds
        figures.durationNanoseconds = report.durationNanoseconds
        figures.bodyBytes = report.bodyBytes
        figures.status = report.status
        figures.remotePort = report.remotePort
        figures.isCut = report.isCut
        self[.remoteAddress] = report.remoteAddress
        self[.requestID] = report.requestID
        guard let exchange = report.exchange else { return }
        figures.minorVersion = exchange.head.minorVersion
        figures.hasQuery = exchange.head.hasQuery
        self[.method] = exchange.head.methodName
        self[.path] = exchange.head.path
        self[.query] = exchange.head.query
        for index in unsafe exchange.fields.indices {
            let field = unsafe exchange.fields[index]
            switch field.name.count {
            case 10 where field.name.equalsIgnoringCase("user-agent"):
                self[.userAgent] = field.value
            case 7 where field.name.equalsIgnoringCase("referer"): self[.referer] = field.value
            default: break
            }
        }
    }
}
