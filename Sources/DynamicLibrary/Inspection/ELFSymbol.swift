/// One entry of a symbol table.
struct ELFSymbol: Equatable {
    var name: String
    var value: UInt64
    var size: UInt64
    var info: UInt8
    var section: UInt16

    var isDefined: Bool { section != 0 }
    /// STT_FUNC or STT_GNU_IFUNC.
    var isFunction: Bool { info & 15 == 2 || info & 15 == 10 }
    /// STT_OBJECT.
    var isObject: Bool { info & 15 == 1 }
    var isWeak: Bool { info >> 4 == 2 }
    var isGlobal: Bool { info >> 4 == 1 }
    /// STB_GNU_UNIQUE: the loader never unmaps an image that provides one.
    var isUnique: Bool { info >> 4 == 10 }
    /// What other images can bind to.
    var isExported: Bool { isDefined && (isGlobal || isWeak || isUnique) }
}
