package rules

import (
	"fmt"
	"strings"
	"testing"
)

// tableOfHosts is a CSV file of n hosts, as an inventory of servers has it.
func tableOfHosts(n int) []byte {
	var b strings.Builder
	b.WriteString("Hostname;IP;OS;Function;Owner;Rack\r\n")
	for i := range n {
		function := []string{"Application server", "Backup server", "Workstation"}[i%3]
		fmt.Fprintf(&b, "srv-%05d;10.%d.%d.%d;Windows Server 2019 Standard;%s;\"Team %d; floor 2\";R%03d\r\n", i, i>>16, i>>8&255, i&255, function, i%40, i%300)
	}
	return []byte(b.String())
}

const tableSite = `
networks: [10.0.0.0/8]
hosts_from:
  - file: servers.csv
    kind: csv
    columns: {address: IP, name: Hostname, os: OS}
    roles:
      - {column: Function, is: Application server, roles: [acronis-abr-11.5/agent, configmgr-2012/client]}
      - {column: Function, is: Backup server, roles: [acronis-abr-11.5/management-server]}
      - {column: Function, is: Workstation, name: "srv-*", roles: [configmgr-2012/client]}
`

// A site with hosts from a table loads in a time in proportion to its rows: 10,000 in a fraction of 100 ms.
func BenchmarkLoadSiteFromTable(b *testing.B) {
	for _, n := range []int{100, 1000, 10_000, 50_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			table := tableOfHosts(n)
			read := func(string) ([]byte, error) { return table, nil }
			b.SetBytes(int64(len(table)))
			b.ReportAllocs()
			for b.Loop() {
				site, problems := LoadSiteWith("site.yaml", []byte(tableSite), read)
				if site == nil || len(site.Hosts) != n {
					b.Fatal(problems)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/host")
		})
	}
}

func BenchmarkCompileSiteFromTable(b *testing.B) {
	packs := []*Pack{mustPack(b, "acronis-abr-11.5"), mustPack(b, "configmgr-2012")}
	table := tableOfHosts(10_000)
	site, problems := LoadSiteWith("site.yaml", []byte(tableSite), func(string) ([]byte, error) { return table, nil })
	if site == nil {
		b.Fatal(problems)
	}
	for b.Loop() {
		if set, problems := Compile(packs, site); set == nil {
			b.Fatal(problems)
		}
	}
}
