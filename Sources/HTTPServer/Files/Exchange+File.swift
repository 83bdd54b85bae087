import CLinux
public import HTTPWire

extension Exchange {
    /// Gives a run of an open regular file as the whole response.
    ///
    /// The descriptor belongs to the server from then on, whatever the result. Small runs are read
    /// at once; others leave with sendfile(2) while the client takes them, and if the file shrinks
    /// meanwhile the connection is cut.
    public func respond(
        status: UInt16, fields: UnsafeBufferPointer<HeaderField>, descriptor: Int32,
        offset: UInt64, count: UInt64
    ) -> ResponseResult {
        let head = unsafe beginWhole(status: status, fields: fields, length: count)
        guard head == .accepted, let connection = state.connection, state.framing == .length,
            count > 0
        else {
            linux_close(descriptor)
            if head == .accepted { complete() }
            return head
        }
        if count <= FileTransfer.readBytesMax {
            connection.appendFile(descriptor, offset: offset, count: Int(count))
            linux_close(descriptor)
        } else {
            let part = FileTransfer.Part(offset: offset, count: count)
            connection.state.files = FileTransfer(descriptor: descriptor, parts: [part])
        }
        complete()
        return .accepted
    }

    /// Gives several runs of one file, each with text before it.
    func respond(
        status: UInt16, fields: UnsafeBufferPointer<HeaderField>, parts: [FileTransfer.Part],
        descriptor: Int32
    ) -> ResponseResult {
        let length = parts.reduce(0) { $0 + UInt64($1.text.utf8.count) + $1.count }
        let head = unsafe beginWhole(status: status, fields: fields, length: length)
        guard head == .accepted, let connection = state.connection, state.framing == .length else {
            linux_close(descriptor)
            if head == .accepted { complete() }
            return head
        }
        connection.state.files = FileTransfer(descriptor: descriptor, parts: parts)
        complete()
        return .accepted
    }

    /// Writes the head of a response whose body the server will fetch by itself.
    private func beginWhole(
        status: UInt16, fields: UnsafeBufferPointer<HeaderField>, length: UInt64
    ) -> ResponseResult {
        guard state.response == .none else { return .outOfOrder }
        guard let connection = state.connection else {
            complete()
            return .closed
        }
        return unsafe connection.appendHead(
            self, status: status, fields: fields, length: length, spare: 0)
            ? .accepted : .fieldRefused
    }
}

extension Connection {
    /// Reads a run of a file into the output; a file that has become shorter breaks the connection.
    func appendFile(_ descriptor: Int32, offset: UInt64, count: Int) {
        var read = 0
        while read < count {
            let result = unsafe linux_read_at(
                descriptor, room(count - read), count - read, offset + UInt64(read))
            guard result > 0 else {
                state.isBroken = true
                return
            }
            state.outputEnd += result
            read += result
        }
    }
}
