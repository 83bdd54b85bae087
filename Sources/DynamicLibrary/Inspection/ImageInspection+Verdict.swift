extension ImageInspection {
    /// Lists why the file may not be loaded, as far as the file alone tells.
    mutating func refuse(_ elf: borrowing ELFFile, entry: String?) {
        refusals = elf.objections
        guard elf.isELF else { return }
        if bits != 64 || !isLittleEndian {
            refusals.append(
                Objection(
                    .wrongMachine,
                    "it is a \(bits)-bit \(isLittleEndian ? "little" : "big")-endian file",
                    cure: "build it for \(ELF.name(ofMachine: ELF.machineHere))"))
            return
        }
        if elf.machine != ELF.machineHere && elf.machine != 0 {
            refusals.append(
                Objection(
                    .wrongMachine,
                    "it was built for \(machine ?? "another machine"); "
                        + "this machine is \(ELF.name(ofMachine: ELF.machineHere))",
                    cure: "build it for \(ELF.name(ofMachine: ELF.machineHere))"))
        }
        let flags = elf.dynamic.flags1
        if elf.type != ELF.typeShared || flags & ELF.Flags1.positionIndependentExecutable != 0 {
            refusals.append(
                Objection(
                    .notALibrary,
                    "it is \(elf.type == ELF.typeShared ? "an executable" : kind), "
                        + "not a shared library",
                    cure: "link it as a library: -shared, or a dynamic library product"))
        }
        if flags & ELF.Flags1.noOpen != 0 {
            refusals.append(
                Objection(
                    .forbidsLoading, "it forbids to be loaded at run time (DF_1_NOOPEN)",
                    cure: "link it without -z nodlopen"))
        }
        if let entry, !exportedSymbols.contains(entry), elf.objections.isEmpty {
            refusals.append(
                Objection(
                    .missingEntry, "it does not export \(entry)",
                    cure: "define \(entry) with C linkage and default visibility"))
        }
    }

    /// Lists what speaks against unloading it.
    mutating func judge() {
        if case .shared(let names) = swiftRuntime {
            reasons.append(
                Objection(
                    .sharedSwiftRuntime,
                    "it shares the Swift runtime (\(names.joined(separator: ", "))), "
                        + "which keeps pointers into it for ever",
                    cure: "link it with -static-stdlib -Xlinker --version-script=exports.map "
                        + "-Xlinker --gc-sections -Xlinker -s"))
        }
        if usesStaticThreadStorage, let threadStorage {
            reasons.append(
                Objection(
                    .staticThreadStorage,
                    "it takes \(threadStorage.size) bytes a thread from the process's fixed supply "
                        + "of thread-local storage, which reloading uses up",
                    cure:
                        "compile it with -ftls-model=global-dynamic, "
                        + "and without -ftls-model=initial-exec"
                ))
        }
        if requestsExecutableStack {
            reasons.append(
                Objection(
                    .executableStack, "it makes the stacks of the whole process executable",
                    cure: "link it with -z noexecstack"))
        }
        if isNoDelete {
            reasons.append(
                Objection(
                    .noDelete, "it is marked never to be unloaded (DF_1_NODELETE)",
                    cure: "link it without -z nodelete"))
        }
        if let first = uniqueSymbols.first {
            let others = uniqueSymbols.count - 1
            reasons.append(
                Objection(
                    .uniqueSymbols,
                    "it defines unique symbols, which the loader never gives up: \(first)"
                        + (others > 0 ? " and \(others) more" : ""),
                    cure: "compile it with -fno-gnu-unique, or with clang"))
        }
        if let first = collidingSymbols.first {
            let others = collidingSymbols.count - 1
            reasons.append(
                Objection(
                    .symbolCollision,
                    "it exports names that this process has too, and would use those instead: "
                        + first + (others > 0 ? " and \(others) more" : ""),
                    cure: "export the entry only: -fvisibility=hidden, or a version script"))
        }
        if hasThreadLocalDestructors {
            reasons.append(
                Objection(
                    .threadLocalDestructors,
                    "it has thread-local objects with destructors; it is unmapped once each thread "
                        + "that ran it has been settled or has ended",
                    cure: "nothing needs to be done"))
        }
    }
}
