package rules

import (
	"testing"

	"pcapaudit/capture/flow"
)

// Every flow answers for a port as for the lowest of its class, at every host, whatever is overridden, announced or reached through a proxy.
func TestPortsOfAClassAreAlike(t *testing.T) {
	var packs []*Pack
	for _, b := range Builtin() {
		packs = append(packs, mustPack(t, b.Name))
	}
	for _, name := range []string{"testdata/sites/every_key.good.yaml", "../testdata/sites/configmgr.yaml"} {
		site, problems := LoadSite(name)
		if site == nil {
			t.Fatal(problems)
		}
		set, problems := Compile(packs, site)
		if set == nil {
			t.Fatal(problems)
		}
		classes := 0
		hosts := append([]*Host{nil}, site.Hosts...)
		for port := range 1 << 16 {
			class := set.PortClass(uint16(port))
			if class == uint16(port) {
				classes++
				continue
			}
			if port%97 != 0 && set.PortClass(uint16(min(port+1, 65535))) == class { // the last of a class, and some within
				continue
			}
			for _, f := range set.ordered {
				for _, h := range hosts {
					for _, proto := range []flow.Proto{flow.TCP, flow.UDP} {
						if a, b := set.covers(f, h, service{proto, uint16(port)}), set.covers(f, h, service{proto, class}); a != b {
							t.Fatalf("%s: %s covers port %d as %v and port %d as %v", name, f.Ref(), port, a, class, b)
						}
					}
					for _, specs := range f.proxies {
						if best(specs, nil, uint16(port)) != best(specs, nil, class) {
							t.Fatalf("%s: a proxy of %s tells port %d from %d", name, f.Ref(), port, class)
						}
					}
				}
			}
		}
		if classes < 50 || classes > 2000 {
			t.Errorf("%s: %d classes of ports", name, classes)
		}
	}
}
