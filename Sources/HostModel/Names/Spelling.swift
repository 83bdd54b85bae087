/// Finds the name that somebody probably meant.
public enum Spelling {
    /// The longest text that is compared; longer ones get no suggestion.
    static let bytesMax = 256

    /// Returns the candidate nearest to the text, or nil when none is near.
    ///
    /// Near means at most one edit for each three letters (and always at least one), where an edit
    /// is a letter added, left out, changed, or swapped with its neighbour. Among equals the one
    /// that comes first in the alphabet wins, so that the answer is stable.
    public static func nearest(to text: String, among candidates: some Sequence<String>) -> String?
    {
        guard text.utf8.count <= bytesMax else { return nil }
        let wanted = Array(text.utf8)
        var best: (distance: Int, name: String)?
        for candidate in candidates where candidate.utf8.count <= bytesMax {
            let bytes = Array(candidate.utf8)
            let allowed = max(1, max(wanted.count, bytes.count) / 3)
            let distance = editDistance(wanted, bytes)
            guard distance <= allowed else { continue }
            if best.map({ (distance, candidate) < ($0.distance, $0.name) }) ?? true {
                best = (distance, candidate)
            }
        }
        return best?.name
    }

    /// Returns ` (did you mean "x"?)` for an error message, or the empty text.
    public static func hint(for text: String, among candidates: some Sequence<String>) -> String {
        nearest(to: text, among: candidates).map { " (did you mean \"\($0)\"?)" } ?? ""
    }

    /// The optimal string alignment distance.
    static func editDistance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var beforePrevious: [Int] = []
        var previous = Array(0...right.count)
        for (row, byte) in left.enumerated() {
            var current = [row + 1]
            current.reserveCapacity(right.count + 1)
            for (column, other) in right.enumerated() {
                var cost = min(
                    previous[column + 1] + 1, current[column] + 1,
                    previous[column] + (byte == other ? 0 : 1))
                if row > 0, column > 0, byte == right[column - 1], left[row - 1] == other {
                    cost = min(cost, beforePrevious[column - 1] + 1)
                }
                current.append(cost)
            }
            beforePrevious = previous
            previous = current
        }
        return previous[right.count]
    }
}
