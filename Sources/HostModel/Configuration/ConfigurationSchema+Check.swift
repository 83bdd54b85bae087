extension ConfigurationSchema {
    /// Judges a value, and returns every objection; none when it is as the schema says.
    ///
    /// - Parameters:
    ///   - hidden: pointers to values that no objection quotes; what is `writeOnly` is hidden too.
    ///   - isPartial: whether the value is still to be completed, so that nothing is missing yet.
    public func objections(
        to value: JSONValue, hidden: Set<JSONPointer> = [], isPartial: Bool = false
    ) -> [ManifestObjection] {
        var check = SchemaCheck(hidden: hidden, isPartial: isPartial)
        check.check(value, root, at: JSONPointer())
        return check.objections
    }
}

/// Walks a value along a schema and gathers objections.
private struct SchemaCheck {
    let hidden: Set<JSONPointer>
    let isPartial: Bool
    var objections: [ManifestObjection] = []
    private var isHiding = false

    init(hidden: Set<JSONPointer>, isPartial: Bool) {
        self.hidden = hidden
        self.isPartial = isPartial
    }

    private mutating func refuse(_ pointer: JSONPointer, _ what: String, _ cure: String) {
        objections.append(ManifestObjection(path: pointer.description, what: what, cure: cure))
    }

    /// What an objection calls the value.
    private func name(_ value: JSONValue) -> String {
        isHiding ? "the value (not shown)" : Escaping.quoted(value.text())
    }

    mutating func check(_ value: JSONValue, _ node: SchemaNode, at pointer: JSONPointer) {
        let wasHiding = isHiding
        isHiding = isHiding || node.isSecret || hidden.contains(pointer)
        defer { isHiding = wasHiding }
        for rule in node.rules { check(value, rule, node, at: pointer) }
        guard let members = value.object else { return }
        for property in node.properties {
            if let member = members[property.name] {
                check(member, property.node, at: pointer.appending(property.name))
            }
        }
    }

    private mutating func check(
        _ value: JSONValue, _ rule: SchemaRule, _ node: SchemaNode, at pointer: JSONPointer
    ) {
        switch rule {
        case .never: refuse(pointer, "there can be nothing here", "take it away")
        case .types(let types):
            if !types.contains(where: { $0.includes(value) }) {
                let kind = value.number.map { isHiding ? "a number" : $0.text } ?? value.kind
                let wanted = types.map(\.noun).joined(separator: " or ")
                refuse(pointer, "this is \(kind)", "it must be \(wanted)")
            }
        case .choices(let choices):
            if !choices.contains(where: { $0.isSame(as: value) }) {
                let all = choices.prefix(32).map { $0.text() }.joined(separator: ", ")
                refuse(pointer, "\(name(value)) is not possible", "possible: \(all)")
            }
        case .required(let names): checkRequired(names, value, node, at: pointer)
        case .additional(let additional): checkOthers(value, additional, node, at: pointer)
        case .items(let items):
            for (index, element) in (value.array ?? []).enumerated() {
                check(element, items, at: pointer.appending(String(index)))
            }
        case .uniqueItems: checkUnique(value, at: pointer)
        case .size(let size, let least, let most): checkSize(value, size, least, most, at: pointer)
        case .range(let bound, let limit, let text):
            if let number = value.number, !bound.holds(ExactNumber(number), limit) {
                refuse(pointer, "\(name(value)) is out of range", "\(bound.words) \(text)")
            }
        case .multiple(let divisor, let text):
            if let number = value.number, !ExactNumber(number).isMultiple(of: divisor) {
                refuse(
                    pointer, "\(name(value)) is not possible", "it must be a multiple of \(text)")
            }
        case .pattern(let pattern, let text):
            if let value = value.string, !pattern.matches(value) {
                refuse(
                    pointer, "\(name(.string(value))) does not have the right form",
                    "it must match \(Escaping.quoted(text, charactersMax: 200))")
            }
        case .format(let format):
            if let text = value.string, !format.holds(text) {
                refuse(
                    pointer, "\(name(value)) does not have the right form",
                    "it must be of the format \(format.rawValue)")
            }
        case .all(let nodes): for node in nodes { check(value, node, at: pointer) }
        case .any(let nodes), .one(let nodes):
            var isOne = false
            if case .one = rule { isOne = true }
            checkChoice(value, nodes, isOne: isOne, at: pointer)
        case .not(let node):
            if !isPartial, trial(value, node, at: pointer).isEmpty {
                refuse(pointer, "\(name(value)) is not possible", "it is what \"not\" rules out")
            }
        }
    }

    private mutating func checkRequired(
        _ names: [String], _ value: JSONValue, _ node: SchemaNode, at pointer: JSONPointer
    ) {
        guard !isPartial, let members = value.object else { return }
        for name in names where members[name] == nil {
            let types = node.properties.first { $0.name == name }?.node.types
            let wanted = types.map { ", " + $0.map(\.noun).joined(separator: " or ") } ?? ""
            refuse(pointer.appending(name), "it is missing", "say what it is" + wanted)
        }
    }

    private mutating func checkOthers(
        _ value: JSONValue, _ additional: SchemaNode, _ node: SchemaNode, at pointer: JSONPointer
    ) {
        let names = node.properties.map(\.name)
        for (key, member) in value.object?.members ?? [] where !names.contains(key) {
            if case .never? = additional.rules.first {
                let cure =
                    Spelling.nearest(to: key, among: names).map { "did you mean \"\($0)\"?" }
                    ?? (names.isEmpty
                        ? "take it away" : "valid here: \(names.joined(separator: ", "))")
                refuse(pointer.appending(key), "there is no such setting", cure)
            } else {
                check(member, additional, at: pointer.appending(key))
            }
        }
    }

    private mutating func checkUnique(_ value: JSONValue, at pointer: JSONPointer) {
        let elements = value.array ?? []
        for (index, element) in elements.enumerated() {
            if let first = elements[..<index].firstIndex(where: { $0.isSame(as: element) }) {
                refuse(
                    pointer.appending(String(index)), "it is the same as element \(first)",
                    "take one of them away")
            }
        }
    }

    private mutating func checkSize(
        _ value: JSONValue, _ size: SchemaSize, _ least: Int?, _ most: Int?,
        at pointer: JSONPointer
    ) {
        guard let count = size.count(value) else { return }
        func number(_ count: Int) -> String { "\(count) \(size.noun)\(count == 1 ? "" : "s")" }
        if let least, count < least {
            refuse(pointer, "it has \(number(count))", "at least \(least) are needed")
        }
        if let most, count > most {
            refuse(pointer, "it has \(number(count))", "at most \(most) are allowed")
        }
    }

    private func trial(
        _ value: JSONValue, _ node: SchemaNode, at pointer: JSONPointer
    ) -> [ManifestObjection] {
        var other = SchemaCheck(hidden: hidden, isPartial: isPartial)
        other.isHiding = isHiding
        other.check(value, node, at: pointer)
        return other.objections
    }

    /// Tells of the alternative that is nearest when none fits.
    private mutating func checkChoice(
        _ value: JSONValue, _ nodes: [SchemaNode], isOne: Bool, at pointer: JSONPointer
    ) {
        let results = nodes.map { trial(value, $0, at: pointer) }
        let fitting = results.count(where: \.isEmpty)
        if fitting == 0 {
            let nearest = results.min { $0.count < $1.count } ?? []
            let reasons = nearest.prefix(4).map(\.description).joined(separator: "; ")
            refuse(
                pointer, "it fits none of \(nodes.count) alternatives",
                "of the nearest one: \(reasons)")
        } else if isOne, fitting > 1, !isPartial {
            refuse(
                pointer, "it fits \(fitting) of \(nodes.count) alternatives",
                "it must fit exactly one")
        }
    }
}
