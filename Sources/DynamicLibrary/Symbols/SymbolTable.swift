/// The functions of a file with their addresses, sorted by address.
struct SymbolTable {
    struct Function: Equatable {
        var value: UInt64
        var size: UInt64
        var name: String
    }

    let functions: [Function]
    /// What the table takes of memory, about.
    let bytes: Int

    init(_ unsorted: [Function]) {
        functions = unsorted.sorted { ($0.value, $1.size) < ($1.value, $0.size) }
        bytes = functions.reduce(0) { $0 + $1.name.utf8.count + 24 }
    }

    /// Reads the functions of .dynsym and, if the file was not stripped, of .symtab; empty for a
    /// file that is not ELF.
    init(path: String) {
        guard let file = try? ReadOnlyFile(path: path) else {
            self.init([])
            return
        }
        var elf = ELFFile(file)
        elf.readDynamicSection()
        elf.readDynamicSymbols()
        var found: [Function] = []
        for symbol in elf.dynamicSymbols + elf.staticSymbols()
        where symbol.isDefined && symbol.isFunction {
            found.append(Function(value: symbol.value, size: symbol.size, name: symbol.name))
        }
        self.init(found)
    }

    /// The function that holds the offset, or the nearest before it.
    func symbol(at offset: UInt64) -> Function? {
        var low = 0
        var high = functions.count
        while low < high {
            let middle = (low + high) / 2
            if functions[middle].value > offset { high = middle } else { low = middle + 1 }
        }
        return low > 0 ? functions[low - 1] : nil
    }
}
