/// Text in aligned columns, two spaces apart; the last column is not padded.
struct Table: CustomStringConvertible {
    var rows: [[String]]

    var description: String {
        var widths: [Int] = []
        for row in rows {
            for (column, text) in row.enumerated() {
                if column == widths.count { widths.append(0) }
                widths[column] = max(widths[column], text.count)
            }
        }
        return rows.map { row in
            let cells = row.enumerated().map { column, text in
                column == row.count - 1
                    ? text
                    : text + String(repeating: " ", count: widths[column] - text.count + 2)
            }
            return cells.joined() + "\n"
        }.joined()
    }
}
