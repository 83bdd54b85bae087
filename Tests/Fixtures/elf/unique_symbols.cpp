template <class T> struct Shared {
    static int &value() {
        static int held = 7;
        return held;
    }
};
extern "C" int fixture_entry(int value) { return Shared<int>::value() += value; }
