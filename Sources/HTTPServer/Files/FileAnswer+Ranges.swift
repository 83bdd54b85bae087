import HTTPWire

/// Answers to `Range`.
extension FileAnswer {
    /// The most ranges that are answered one by one; who asks for more gets the whole file.
    private static let rangesMax = 16

    /// - Source: RFC 9110, sections 14.2, 14.4, 14.6 and 15.5.17.
    func sendRanges(
        _ file: OpenFile, _ value: ByteSlice, _ fields: inout ResponseFields
    ) -> UInt16 {
        var ranges: [ByteRange] = []
        let outcome = unsafe withUnsafeTemporaryAllocation(
            of: ByteRange.self, capacity: FileAnswer.rangesMax
        ) { room in
            unsafe room.initialize(repeating: ByteRange(first: 0, last: 0))
            let outcome = unsafe RangeHeader.parse(value, size: file.size, into: room)
            if case .satisfiable(let count) = outcome {
                for index in 0..<count { ranges.append(unsafe room[index]) }
            }
            return outcome
        }
        switch outcome {
        case .unsatisfiable:
            file.close()
            fields.add("Content-Range", "bytes */\(file.size)")
            return answer(416, fields)
        case .ignored: return sendWhole(file, &fields)
        case .satisfiable: break
        }
        if let coding { fields.add("Content-Encoding", coding.name) }
        guard ranges.count > 1 else {
            fields.add("Content-Type", type.mediaType)
            fields.add(
                "Content-Range", "bytes \(ranges[0].first)-\(ranges[0].last)/\(file.size)")
            return send(
                file, 206, fields, offset: ranges[0].first, count: ranges[0].length)
        }
        // Nobody can have put a boundary into the file that was not known then.
        let boundary = String(UInt64.random(in: .min ... .max), radix: 36)
        fields.add("Content-Type", "multipart/byteranges; boundary=\(boundary)")
        var parts = ranges.map { range in
            FileTransfer.Part(
                text: "\r\n--\(boundary)\r\nContent-Type: \(type.mediaType)\r\n"
                    + "Content-Range: bytes \(range.first)-\(range.last)/\(file.size)\r\n\r\n",
                offset: range.first, count: range.length)
        }
        parts.append(FileTransfer.Part(text: "\r\n--\(boundary)--\r\n"))
        let result = unsafe exchange.respond(
            status: 206, fields: fields.all, parts: parts, descriptor: file.descriptor)
        return result == .fieldRefused ? refuse(500) : 206
    }
}
