extension ELFFile {
    /// How many dynamic symbols there are; nil when no table tells.
    ///
    /// The section headers would say it directly, but a stripped file may have none. DT_HASH gives
    /// the number. The GNU table covers exported symbols only and may be empty beside imported
    /// ones: then the highest symbol that a relocation names counts, or the section header if there
    /// is one.
    ///
    /// - Source: System V ABI, chapter 5 "Hash Table"; the layout of .gnu.hash as in glibc's
    ///   elf/dl-lookup.c.
    func dynamicSymbolCount() -> UInt64? {
        if let address = dynamic.values[ELF.Tag.hash],
            let head = bytes(atAddress: address, count: 8)
        {
            return head.u32(4).map(UInt64.init)
        }
        let listed =
            sections.first { $0.type == ELF.Section.dynamicSymbols }
            .map { $0.size / ELF.symbolSize } ?? 0
        guard let hashed = gnuHashedSymbolCount() else { return listed > 0 ? listed : nil }
        return max(hashed, listed > 0 ? listed : relocatedSymbolCount())
    }

    private func gnuHashedSymbolCount() -> UInt64? {
        guard let address = dynamic.values[ELF.Tag.gnuHash],
            let head = bytes(atAddress: address, count: 16), let buckets = head.u32(0),
            let first = head.u32(4), let blooms = head.u32(8)
        else { return nil }
        let (start, overflow) = address.addingReportingOverflow(16 + UInt64(blooms) * 8)
        guard !overflow, let table = bytes(atAddress: start, count: UInt64(buckets) * 4) else {
            return nil
        }
        var last: UInt32 = 0
        for index in 0..<Int(buckets) { last = max(last, table.u32(index * 4) ?? 0) }
        guard last >= first, last > 0 else { return UInt64(first) }
        // The chain of the last bucket ends with an odd entry.
        guard let chains = offset(ofAddress: start).map({ $0 + UInt64(buckets) * 4 }) else {
            return nil
        }
        var index = UInt64(last)
        let step: UInt64 = 1024
        while true {
            let (at, isAbsurd) = chains.addingReportingOverflow((index - UInt64(first)) * 4)
            guard !isAbsurd, at < file.size else { return nil }
            let count = min(step, (file.size - at) / 4)
            guard count > 0, let part = file.bytes(at: at, count: count * 4) else { return nil }
            for entry in 0..<Int(count) {
                index += 1
                if (part.u32(entry * 4) ?? 0) & 1 == 1 { return index }
            }
        }
    }

    private func relocatedSymbolCount() -> UInt64 {
        var highest: UInt64 = 0
        let tables = [
            (ELF.Tag.relocations, ELF.Tag.relocationBytes),
            (ELF.Tag.jumpRelocations, ELF.Tag.jumpRelocationBytes),
        ]
        for (place, length) in tables {
            guard let address = dynamic.values[place], let count = dynamic.values[length],
                let table = bytes(atAddress: address, count: count)
            else { continue }
            for at in stride(from: 0, to: table.count, by: Int(ELF.relocationSize)) {
                highest = max(highest, (table.u64(at + 8) ?? 0) >> 32)
            }
        }
        return highest + 1
    }
}
