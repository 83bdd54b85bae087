extension Confinement {
    /// The confinement as a parent hands it to the child that is to apply it.
    ///
    /// - Shape: `--read PATH`, `--write PATH`, `--keep FD`, `--memory BYTES` and so on, in front of
    ///   what the child is to do, with `--` between.
    public var arguments: [String] {
        var words: [String] = []
        for path in readable { words += ["--read", path] }
        for path in writable { words += ["--write", path] }
        if hasNetwork { words.append("--network") }
        if hasProcesses { words.append("--processes") }
        if !usesNetworkNamespace { words.append("--no-network-namespace") }
        for (option, field) in Self.numbers {
            if let value = limits[keyPath: field] { words += [option, String(value)] }
        }
        if let group { words += ["--group", group] }
        if let descriptors {
            words.append("--close")
            for fd in descriptors { words += ["--keep", String(fd)] }
        }
        return words + ["--"]
    }

    /// Reads what `arguments` wrote, and returns what stands behind the `--` as well.
    ///
    /// - Returns: nil when the words do not have the shape.
    public static func parse(_ words: [String]) -> (Confinement, rest: [String])? {
        var confinement = Confinement()
        var words = words[...]
        while let option = words.popFirst() {
            switch option {
            case "--": return (confinement, Array(words))
            case "--network": confinement.hasNetwork = true
            case "--processes": confinement.hasProcesses = true
            case "--no-network-namespace": confinement.usesNetworkNamespace = false
            case "--close": confinement.descriptors = confinement.descriptors ?? []
            default:
                guard let value = words.popFirst(), confinement.take(option, value) else {
                    return nil
                }
            }
        }
        return nil
    }

    private mutating func take(_ option: String, _ value: String) -> Bool {
        switch option {
        case "--read": readable.append(value)
        case "--write": writable.append(value)
        case "--group": group = value
        case "--keep":
            guard let fd = Int32(value), fd >= 0 else { return false }
            descriptors = (descriptors ?? []) + [fd]
        default:
            guard let (_, field) = Self.numbers.first(where: { $0.0 == option }),
                let number = UInt64(value)
            else { return false }
            limits[keyPath: field] = number
        }
        return true
    }

    private static var numbers: [(String, WritableKeyPath<Limits, UInt64?>)] {
        [
            ("--memory", \.memoryBytesMax), ("--address-space", \.addressBytesMax),
            ("--processor-seconds", \.processorSecondsMax), ("--descriptors", \.descriptorsMax),
            ("--tasks", \.tasksMax), ("--file-size", \.fileBytesMax),
        ]
    }
}
