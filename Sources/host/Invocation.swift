import HostModel

/// A command line, taken apart and checked against what its verb takes.
struct Invocation {
    let verb: Verb
    let arguments: [String]
    private let values: [String: [String]]

    /// What is wrong with a command line.
    struct UsageError: Error {
        var message: String
        /// What to print the usage of; nil: of the whole command.
        var verb: Verb?
    }

    /// What was asked for.
    enum Request {
        case run(Invocation)
        case help(Verb?)
        case version
    }

    /// - Parameter words: the command line without the name of the command.
    static func parse(_ words: [String]) throws(UsageError) -> Request {
        guard let first = words.first else {
            throw UsageError(message: "there is nothing to do", verb: nil)
        }
        if first == "--help" || first == "-h" || first == "help" {
            return .help(words.dropFirst().first.flatMap(Verb.init))
        }
        if first == "--version" { return .version }
        guard let verb = Verb(rawValue: first) else {
            let hint = Spelling.hint(for: first, among: Verb.allCases.map(\.rawValue))
            throw UsageError(message: "\"\(first)\" is not a verb" + hint, verb: nil)
        }
        return try parse(verb, words.dropFirst())
    }

    private static func parse(
        _ verb: Verb, _ words: ArraySlice<String>
    ) throws(UsageError) -> Request {
        var words = words
        var arguments: [String] = []
        var values: [String: [String]] = [:]
        var isPastOptions = false
        while let word = words.popFirst() {
            if isPastOptions || !word.hasPrefix("-") || word == "-" {
                arguments.append(word)
                continue
            }
            if word == "--" {
                isPastOptions = true
                continue
            }
            if word == "--help" || word == "-h" { return .help(verb) }
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = String(parts[0])
            guard let option = verb.options.first(where: { $0.name == name }) else {
                let hint = Spelling.hint(for: name, among: verb.options.map(\.name))
                throw UsageError(message: "\(name) is not an option of \(verb)" + hint, verb: verb)
            }
            guard values[name] == nil || option.mayRepeat else {
                throw UsageError(message: "\(name) is given twice", verb: verb)
            }
            if let shape = option.value {
                guard let value = parts.count == 2 ? String(parts[1]) : words.popFirst() else {
                    throw UsageError(message: "\(name) needs \(shape)", verb: verb)
                }
                values[name, default: []].append(value)
            } else {
                guard parts.count == 1 else {
                    throw UsageError(message: "\(name) takes no value", verb: verb)
                }
                values[name] = [""]
            }
        }
        let needed = verb.arguments.count { !$0.hasPrefix("[") }
        let isOpen = verb.arguments.last?.hasSuffix("...") == true
        let most = isOpen ? Int.max : verb.arguments.count
        guard (needed...most).contains(arguments.count) else {
            let wanted =
                verb.arguments.isEmpty ? "no argument" : verb.arguments.joined(separator: " ")
            throw UsageError(
                message: "\(verb) takes \(wanted), and was given \(arguments.count)", verb: verb)
        }
        return .run(Invocation(verb: verb, arguments: arguments, values: values))
    }

    func has(_ option: String) -> Bool { values[option] != nil }

    func value(_ option: String) -> String? { values[option]?.last }

    func values(_ option: String) -> [String] { values[option] ?? [] }

    /// - Throws: when the value is not a whole number in the range.
    func number(_ option: String, in range: ClosedRange<Int>) throws(UsageError) -> Int? {
        guard let text = value(option) else { return nil }
        guard let number = Int(text), range.contains(number) else {
            throw UsageError(
                message: "\(option) \(text): it is not a number from \(range.lowerBound) to"
                    + " \(range.upperBound)", verb: verb)
        }
        return number
    }

    /// - Throws: when the value is none of the choices; the nearest one is named.
    func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ option: String
    ) throws(UsageError) -> Choice? {
        guard let text = value(option) else { return nil }
        if let choice = Choice(rawValue: text) { return choice }
        let names = Choice.allCases.map(\.rawValue)
        throw UsageError(
            message: "\(option) \(text): it is none of \(names.joined(separator: ", "))"
                + Spelling.hint(for: text, among: names), verb: verb)
    }
}
