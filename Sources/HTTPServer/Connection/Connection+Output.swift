import CLinux
import CTLS
import Glibc
import HTTPWire

extension Connection {
    /// Makes room for `count` bytes behind what waits to be sent, and returns where they go.
    @inline(__always)
    func room(_ count: Int) -> UnsafeMutablePointer<UInt8> {
        if let output = unsafe state.output {
            if state.outputCapacity &- state.outputEnd >= count {
                return unsafe output + state.outputEnd
            }
        } else if let buffer = unsafe loop.state.buffers.lendKept(count) {
            let output = unsafe buffer.assumingMemoryBound(to: UInt8.self)
            unsafe state.output = output
            state.outputCapacity = BufferPool.bufferBytes
            return unsafe output
        }
        return unsafe makeRoom(count)
    }

    @inline(never)
    private func makeRoom(_ count: Int) -> UnsafeMutablePointer<UInt8> {
        let pending = pendingOutput
        guard let output = unsafe state.output else {
            let (base, capacity) = unsafe lendOutput(count)
            let bytes = unsafe base.assumingMemoryBound(to: UInt8.self)
            unsafe state.output = bytes
            state.outputCapacity = capacity
            return unsafe bytes
        }
        if state.outputCapacity >= pending + count {
            unsafe memmove(output, output + state.outputStart, pending)
            state.outputStart = 0
            state.outputEnd = pending
            return unsafe output + pending
        }
        let (base, capacity) = unsafe lendOutput(pending + count)
        let bytes = unsafe base.assumingMemoryBound(to: UInt8.self)
        unsafe memcpy(bytes, output + state.outputStart, pending)
        unsafe loop.state.buffers.giveBack(output, capacity: state.outputCapacity)
        unsafe state.output = bytes
        state.outputCapacity = capacity
        state.outputStart = 0
        state.outputEnd = pending
        return unsafe bytes + pending
    }

    @inline(__always)
    private func lendOutput(_ count: Int) -> (base: UnsafeMutableRawPointer, capacity: Int) {
        if count > BufferPool.bufferBytes { loop.makeMemory(count, for: self) }
        return unsafe loop.state.buffers.lend(count)
    }

    /// Appends bytes to the output.
    @inline(__always)
    func append(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress else { return }
        unsafe memcpy(room(bytes.count), base, bytes.count)
        state.outputEnd &+= bytes.count
    }

    /// Appends a constant text.
    func append(_ text: StaticString) {
        unsafe append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// The length of a chunk's size line as `putChunkLine` writes it.
    static let chunkLineBytes = 10

    /// Writes a chunk's size in eight hex digits, so that the line can be written when its data
    /// already stands.
    static func putChunkLine(_ size: Int, to line: UnsafeMutablePointer<UInt8>) {
        var rest = size
        for index in (0..<8).reversed() {
            let digit = UInt8(truncatingIfNeeded: rest & 15)
            unsafe line[index] = digit < 10 ? 0x30 + digit : 0x57 + digit
            rest >>= 4
        }
        unsafe line[8] = 0x0D
        unsafe line[9] = 0x0A
    }

    /// Appends a chunk's size line.
    func appendChunkSize(_ size: Int) {
        let length = ResponseWriter.chunkSizeLengthMax
        var writer = unsafe ResponseWriter(
            UnsafeMutableRawBufferPointer(start: room(length), count: length))
        _ = writer.chunkSize(UInt64(size))
        state.outputEnd += writer.count
    }

    /// Appends a large piece: sends what waits and the piece itself at once, and copies only what
    /// did not go.
    @inline(never)
    func appendLarge(_ bytes: UnsafeRawBufferPointer) {
        guard !state.isSendBlocked, state.files == nil, !state.isBroken,
            turnBytes < loop.state.limits.turnBytesMax
        else { return unsafe append(bytes) }
        let pending = pendingOutput
        let result: Int
        if let tls = unsafe state.tls {
            result = unsafe tls_send_two(
                tls, state.output, state.outputStart, pending, bytes.baseAddress, bytes.count)
        } else {
            result = unsafe linux_send_two(
                state.descriptor, state.output, state.outputStart, pending, bytes.baseAddress,
                bytes.count)
        }
        if result < 0 {
            note(sendResult: result)
            return unsafe append(bytes)
        }
        state.sentBytes &+= result
        if result < pending {
            state.outputStart += result
            state.isSendBlocked = true
            return unsafe append(bytes)
        }
        state.outputStart = 0
        state.outputEnd = 0
        let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[(result - pending)...])
        if rest.count > 0 {
            state.isSendBlocked = true
            unsafe append(rest)
        }
    }

    /// From this size on a piece is worth a system call of its own.
    static let largeBytes = 32 << 10

    /// Sends what waits, until all is out, the peer takes no more, or the turn is over.
    ///
    /// Nearly always there is one piece of output on a plain socket, which takes it as a whole.
    @inline(__always)
    func flush() {
        guard state.files == nil, unsafe state.tls == nil, !state.isSendBlocked, !state.isBroken,
            let output = unsafe state.output
        else { return flushInParts() }
        let pending = pendingOutput
        if pending == 0 { return }
        let result = unsafe linux_send(state.descriptor, output + state.outputStart, pending, 0)
        guard result == pending else { return note(sent: result) }
        state.sentBytes &+= result
        state.outputStart = 0
        state.outputEnd = 0
    }

    /// Takes note of a piece of output that has not gone out as a whole.
    @inline(never)
    private func note(sent result: Int) {
        if result < 0 { return note(sendResult: result) }
        state.sentBytes &+= result
        state.outputStart += result
        state.isSendBlocked = true
    }

    @inline(never)
    private func flushInParts() {
        while !state.isBroken {
            while pendingOutput > 0 {
                if state.isSendBlocked { return }
                guard let output = unsafe state.output else { return }
                let pending = pendingOutput
                let result: Int
                if let tls = unsafe state.tls {
                    result = unsafe tls_send(tls, output + state.outputStart, pending)
                } else {
                    result = unsafe linux_send(
                        state.descriptor, output + state.outputStart, pending,
                        state.files == nil ? 0 : 1)
                }
                if result < 0 { return note(sendResult: result) }
                state.sentBytes &+= result
                if result == pending {
                    state.outputStart = 0
                    state.outputEnd = 0
                } else {
                    state.outputStart += result
                    state.isSendBlocked = true
                    return
                }
            }
            guard let files = state.files else { return }
            if state.isSendBlocked { return }
            if turnBytes >= loop.state.limits.turnBytesMax { return }
            files.advance(on: self)
        }
    }

    /// What a writer finds when it has added to the output.
    enum Way {
        /// There is room for more.
        case free
        /// The writer should wait.
        case full
        /// The client is gone.
        case broken
    }

    /// Sends what waits if that is much, and says how it stands then.
    func makeWay() -> Way {
        let limits = loop.state.limits
        if pendingOutput > limits.outputHighWaterBytes { flush() }
        if state.isBroken { return .broken }
        let isFull =
            pendingOutput > limits.outputHighWaterBytes || turnBytes >= limits.turnBytesMax
        return isFull ? .full : .free
    }

    /// Learns from what a failed send says.
    func note(sendResult result: Int) {
        switch Int32(-result) {
        case EAGAIN, EINTR: state.isSendBlocked = true
        default: state.isBroken = true
        }
    }

    /// Gives back the buffers that hold nothing.
    @inline(__always)
    func giveBackIdleBuffers() {
        if pendingOutput == 0, let output = unsafe state.output {
            unsafe loop.state.buffers.giveBack(output, capacity: state.outputCapacity)
            unsafe state.output = nil
            state.outputCapacity = 0
            state.outputStart = 0
            state.outputEnd = 0
        }
        if availableInput == 0, state.pinnedEnd == 0, let input = unsafe state.input {
            unsafe loop.state.buffers.giveBack(input, capacity: state.inputCapacity)
            unsafe state.input = nil
            state.inputCapacity = 0
            state.inputStart = 0
            state.inputEnd = 0
            state.scanned = 0
        }
    }
}
