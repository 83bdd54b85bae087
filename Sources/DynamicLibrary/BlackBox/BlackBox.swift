internal import CLedger
import Glibc

/// Memory that a process shares with its watcher, so that what it did last can be told when it is
/// gone.
///
/// 1. The watcher makes a box and starts the process with its descriptor.
/// 2. The process opens it, takes out what its predecessor left, and arms it.
/// 3. While it runs, the box says which images are loaded; a fatal signal, or an image's call of
///    `exit`, writes a record.
///
/// `@unchecked Sendable` because it is nothing but the address of memory that stays mapped; what is
/// in it changes under the ledger's lock, or is read when nobody writes any more.
@safe
public final class BlackBox: @unchecked Sendable {
    /// The memory's descriptor, for a process that is to share it; closed by its maker.
    public let descriptor: Int32
    private let box: OpaquePointer

    /// Makes an empty box.
    ///
    /// - Throws: `cannotShare`.
    public convenience init() throws(LibraryError) {
        let descriptor = ledger_box_make()
        guard descriptor >= 0 else { throw Self.failure(-descriptor) }
        try self.init(descriptor: descriptor)
    }

    /// Opens a box that another process has made.
    ///
    /// - Throws: `cannotShare`.
    public init(descriptor: Int32) throws(LibraryError) {
        guard let box = unsafe ledger_box_map(descriptor) else { throw Self.failure(errno) }
        self.descriptor = descriptor
        unsafe self.box = box
    }

    private static func failure(_ number: Int32) -> LibraryError {
        .system(
            .cannotShare, "cannot share memory with a process", "memfd_create",
            remedy: "raise the limits of memory and of open files", number: number)
    }

    /// Gives the descriptor back, and the memory; for a box that is not armed and not used again.
    public func close() {
        unsafe ledger_box_unmap(box)
        Glibc.close(descriptor)
    }

    /// Makes the box this process's own, for the rest of its life; before it has other threads.
    ///
    /// From now on every thread has a stack of its own for the handler of fatal signals, which no
    /// image can take away.
    public func arm() { _ = unsafe ledger_box_arm(box) }

    /// Takes out what the last user left, with names for what it can name, and empties the box.
    ///
    /// The files of the images that it had loaded should still be there: the names are theirs.
    public func takeRecord() -> CrashRecord? {
        defer { unsafe ledger_box_empty(box) }
        var record = ledger_box_record()
        guard unsafe ledger_box_read(box, &record) else { return nil }
        var tables = SymbolTables()
        let pc = UInt64(record.pc)
        var addresses = [pc]
        let frames = min(record.frame_count, UInt32(ledger_box_frames_max))
        // The handler's own frames, and the kernel's, come first where there was a handler.
        var isBelow = false
        for index in 0..<frames {
            let address = unsafe ledger_box_frame(&record, index)
            if isBelow { addresses.append(address) }
            if address == pc { isBelow = true }
        }
        if !isBelow {
            for index in 0..<frames { addresses.append(unsafe ledger_box_frame(&record, index)) }
        }
        return CrashRecord(
            end: Self.end(record), thread: unsafe String(cString: ledger_box_thread_name(&record)),
            culprit: culprit(record, addresses),
            backtrace: Self.short(addresses.map { describe($0, &tables) }),
            requestsInFlight: record.in_flight < 0 ? nil : Int(record.in_flight))
    }

    private static let linesMax = 32
    private static let hostLinesMax = 3

    /// Tells a recursion in one line, and little of what is always the same.
    private static func short(_ lines: [String]) -> [String] {
        var told: [(line: String, count: Int)] = []
        var hostLines = 0
        for line in lines {
            hostLines = line.hasPrefix("host +") ? hostLines + 1 : 0
            if hostLines > hostLinesMax { continue }
            if told.last?.line == line {
                told[told.count - 1].count += 1
            } else {
                told.append((line, 1))
            }
        }
        return told.prefix(linesMax).map {
            $0.count > 1 ? "\($0.line), \($0.count) times" : $0.line
        }
    }

    private static func end(_ record: ledger_box_record) -> CrashRecord.End {
        switch record.kind {
        case ledger_box_exit.rawValue: .exit(status: record.number)
        case ledger_box_kill.rawValue: .kill
        case ledger_box_close.rawValue: .close(descriptor: record.number)
        default:
            .signal(
                record.number, address: record.code > 0 ? UInt(record.address) : nil,
                sender: record.sender == 0 || record.sender == record.process
                    ? nil : record.sender)
        }
    }

    /// Whose code it was, or for whom the thread acted, or who called what failed.
    ///
    /// A signal that another process has sent says nothing about whoever was running.
    private func culprit(_ record: ledger_box_record, _ addresses: [UInt64]) -> CrashRecord.Image? {
        if record.sender != 0, record.sender != record.process { return nil }
        if let image = image(holding: record.pc) { return image }
        if let image = unsafe ledger_box_numbered(box, record.acting) {
            return unsafe Self.image(image)
        }
        for address in addresses {
            if let image = image(holding: address) { return image }
        }
        return nil
    }

    private func image(holding address: UInt64) -> CrashRecord.Image? {
        guard let entry = unsafe ledger_box_holder(box, address), unsafe entry.pointee.image != 0
        else { return nil }
        return unsafe Self.image(entry)
    }

    private static func image(_ entry: UnsafePointer<ledger_box_image>) -> CrashRecord.Image {
        unsafe CrashRecord.Image(
            name: String(cString: ledger_box_name(entry)),
            version: String(cString: ledger_box_version(entry)),
            digest: String(cString: ledger_box_digest(entry)),
            generation: entry.pointee.generation)
    }

    private func describe(_ address: UInt64, _ tables: inout SymbolTables) -> String {
        let offset = unsafe ledger_box_host_offset(box, address)
        if offset >= 0 { return "host +0x\(String(offset, radix: 16))" }
        guard let entry = unsafe ledger_box_holder(box, address) else {
            return "0x\(String(address, radix: 16))"
        }
        let name = unsafe String(cString: ledger_box_name(entry))
        let label =
            unsafe entry.pointee.image == 0
            ? name : "\(name)#\(entry.pointee.generation)"
        let inFile = unsafe address - entry.pointee.base
        return unsafe label
            + tables.place(of: inFile, in: String(cString: ledger_box_path(entry)))
    }

    /// Says that the process cannot do without a descriptor: an image that closes it ends the
    /// process, if that has a box, and is recorded. Until the host closes it.
    public static let guardDescriptor: @convention(c) (Int32) -> Void = { descriptor in
        ledger_guard_descriptor(descriptor)
    }

    /// Says what the image will be called that the calling thread loads next.
    public static func announceLoad(
        name: String, version: String, digest: String, generation: UInt64
    ) {
        unsafe ledger_box_announce(name, version, digest, generation)
    }

    /// Says where an image's requests in flight are counted: `count` numbers of 64 bits, `stride`
    /// bytes apart, readable until the image is gone or something else is said.
    public static func count(
        _ image: UInt32, _ counters: UnsafeRawPointer?, count: Int, stride: Int
    ) {
        unsafe ledger_box_count(
            image, counters, UInt32(clamping: count), UInt32(clamping: stride))
    }
}

/// The symbols of files, read once each.
private struct SymbolTables {
    private var tables: [String: SymbolTable] = [:]

    mutating func place(of offset: UInt64, in path: String) -> String {
        let table = tables[path] ?? SymbolTable(path: path)
        tables[path] = table
        guard let symbol = table.symbol(at: offset), offset - symbol.value < max(1, symbol.size)
        else {
            return " +0x\(String(offset, radix: 16))"
        }
        return " \(symbol.name)+0x\(String(offset - symbol.value, radix: 16))"
    }
}
