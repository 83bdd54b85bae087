/// Reads the `Accept` field.
public enum Accept {
    /// How much the client likes a media type, in thousandths: 0 means not at all, 1000 best.
    ///
    /// The most specific range decides. A range with parameters matches no offer, since offers are
    /// plain `type/subtype`. An empty value states no preference.
    ///
    /// - Source: RFC 9110, section 12.5.1.
    public static func quality(of mediaType: ByteSlice, in value: ByteSlice) -> Int {
        var list = ListElements(value)
        var best = (specificity: 0, weight: 0)
        while let element = list.next() {
            guard let range = Weighted(element), !range.hasParameters else { continue }
            let specificity = specificity(of: range.name, for: mediaType)
            if specificity > best.specificity {
                best = (specificity, range.weight)
            } else if specificity == best.specificity, specificity > 0 {
                best.weight = max(best.weight, range.weight)
            }
        }
        return list.count == 0 ? 1_000 : best.weight
    }

    /// The index of the offer that the client likes best, the earliest among equals; `nil` when it
    /// takes none of them.
    public static func best(of offers: [StaticString], in value: ByteSlice) -> Int? {
        var best: (index: Int, quality: Int)?
        for (index, offer) in offers.enumerated() {
            let quality = quality(of: ByteSlice(offer), in: value)
            if quality > best?.quality ?? 0 { best = (index, quality) }
        }
        return best?.index
    }

    /// 3 for the type itself, 2 for `type/*`, 1 for `*/*`, 0 for no match.
    private static func specificity(of range: ByteSlice, for mediaType: ByteSlice) -> Int {
        if range == "*/*" { return 1 }
        if range.equalsIgnoringCase(mediaType) { return 3 }
        guard let slash = mediaType.firstIndex(of: UInt8(ascii: "/")), range.count == slash + 2,
            range[slash + 1] == UInt8(ascii: "*"),
            range[0..<(slash + 1)].equalsIgnoringCase(mediaType[0..<(slash + 1)])
        else { return 0 }
        return 2
    }
}
