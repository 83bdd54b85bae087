// swift-tools-version: 6.2
import PackageDescription

/// What every Swift target is compiled with.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// PluginKit is compiled as Embedded Swift when a plugin's package asks for the trait.
let pluginKit: [SwiftSetting] =
    strict + [
        .enableExperimentalFeature("Lifetimes"),
        .enableExperimentalFeature("Embedded", .when(traits: ["Embedded"])),
    ]

/// The test targets: strict as well, but free to use pointers without marking each use.
let tests: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
]

let package = Package(
    name: "plugin-host",
    products: [
        .executable(name: "host", targets: ["host"]),
        .library(name: "PluginKit", targets: ["PluginKit"]),
        .library(name: "CPluginABI", targets: ["CPluginABI"]),
    ],
    traits: [
        .trait(name: "Embedded", description: "Compile PluginKit as Embedded Swift.")
    ],
    targets: [
        .executableTarget(
            name: "host", dependencies: ["PluginHost", "HostModel"], swiftSettings: strict),
        .target(
            name: "PluginHost",
            dependencies: [
                "HTTPServer", "HTTPWire", "DynamicLibrary", "HostModel", "CPluginABI", "CLinux",
                "CZlib", "CSQLite", "COpenSSL", "Confinement",
            ],
            swiftSettings: strict),
        .target(
            name: "HTTPServer", dependencies: ["HTTPWire", "CLinux", "CTLS", "CZlib"],
            swiftSettings: strict),
        .target(name: "HTTPWire", swiftSettings: strict),
        .target(
            name: "DynamicLibrary", dependencies: ["CLedger"], swiftSettings: strict),
        .target(name: "HostModel", swiftSettings: strict),
        .target(name: "Confinement", dependencies: ["CConfinement"], swiftSettings: strict),
        .target(
            name: "PluginKit",
            dependencies: ["CPluginABI", "CPluginKit"],
            swiftSettings: pluginKit),

        .target(name: "CPluginABI"),
        .target(name: "CPluginKit", dependencies: ["CPluginABI"]),
        .target(name: "CLedger"),
        .target(name: "CConfinement"),
        .target(name: "CLinux"),
        .target(
            name: "CTLS", linkerSettings: [.linkedLibrary("ssl"), .linkedLibrary("crypto")]),
        .systemLibrary(name: "CZlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CSQLite", providers: [.apt(["libsqlite3-dev"])]),
        .systemLibrary(name: "COpenSSL", providers: [.apt(["libssl-dev"])]),

        .target(name: "FuzzSupport", path: "Tests/FuzzSupport", swiftSettings: tests),
        .target(name: "CaseSupport", path: "Tests/CaseSupport", swiftSettings: tests),
        .testTarget(
            name: "HTTPWireTests", dependencies: ["HTTPWire", "FuzzSupport", "CaseSupport"],
            exclude: ["Cases"], swiftSettings: tests),
        .testTarget(
            name: "HTTPServerTests",
            dependencies: [
                "HTTPServer", "HTTPWire", "CLinux", "COpenSSL", "CaseSupport", "FuzzSupport",
            ],
            exclude: ["Cases"], swiftSettings: tests),
        .testTarget(
            name: "DynamicLibraryTests",
            dependencies: ["DynamicLibrary", "CLedger", "FuzzSupport"],
            swiftSettings: tests),
        .testTarget(
            name: "ConfinementTests", dependencies: ["Confinement"], swiftSettings: tests),
        .testTarget(
            name: "HostModelTests", dependencies: ["HostModel", "FuzzSupport"],
            exclude: ["Cases"], swiftSettings: tests),
        .testTarget(
            name: "PluginHostTests",
            dependencies: [
                "PluginHost", "HostModel", "HTTPServer", "HTTPWire", "DynamicLibrary", "CPluginABI",
                "CLinux", "bundle-probe", "FuzzSupport", "Confinement",
            ],
            swiftSettings: tests),
        .executableTarget(
            name: "bundle-probe", dependencies: ["PluginHost", "HostModel"],
            path: "Tests/Fixtures/bundles/probe", swiftSettings: tests),
        .testTarget(
            name: "IntegrationTests",
            dependencies: ["HostModel", "DynamicLibrary", "CLinux", "Confinement"],
            swiftSettings: tests),
        .testTarget(
            name: "PluginKitTests", dependencies: ["PluginKit", "CPluginABI"],
            swiftSettings: tests),
        .testTarget(name: "ABITests", dependencies: ["CPluginABI"], swiftSettings: tests),
        .testTarget(name: "TidyTests", swiftSettings: tests),
    ],
    cLanguageStandard: .c11,
    cxxLanguageStandard: .cxx17
)
