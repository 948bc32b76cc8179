package main

import (
	"fmt"
	"os"
	"strings"
)

// Addresses of the sessions: originators from sessionsNet+1 on at near, one server at far.
const (
	sessionServer = "10.77.2.1"
	serverAddress = 10<<24 | 77<<16 | 2<<8 | 1
	sessionPort   = 7000 // of session 0
	sessions      = 100
	documented    = sessions / 2 // the first ones are of a documented flow
)

func sessionAddress(i int) string { return fmt.Sprintf("10.77.1.%d", i+1) }
func sessionHost(i int) string    { return fmt.Sprintf("host-%03d", i) }
func sessionFlow(i int) string    { return fmt.Sprintf("session-%03d", i) }

// The files that pcapaudit is given.
const (
	packFile = "load.yaml"
	siteFile = "site.yaml"
)

// writeRules writes the pack and the site of what load sends.
func writeRules(dir string) error {
	var site strings.Builder
	site.WriteString("name: load\nnetworks: [10.77.0.0/16, 10.78.0.0/16]\nhosts:\n" +
		"  - {name: senders, addresses: [10.77.64.0/18], os: linux, roles: [load/sender]}\n" +
		"  - {name: receivers, addresses: [10.77.128.0/18], os: linux, roles: [load/receiver]}\n" +
		"  - {name: server, addresses: [" + sessionServer + "], os: linux, roles: [load/server]}\n")
	for i := range sessions {
		fmt.Fprintf(&site, "  - {name: %s, addresses: [%s], os: linux, roles: [load/guest]}\n", sessionHost(i), sessionAddress(i))
	}
	if err := os.WriteFile(dir+"/"+siteFile, []byte(site.String()), 0o644); err != nil {
		return fmt.Errorf("write site: %w", err)
	}
	return writePack(dir, 0)
}

// writePack writes the pack with a title of its own for each edition. It appears whole.
func writePack(dir string, edition int) error {
	var pack strings.Builder
	fmt.Fprintf(&pack, "name: load\nkind: local\ntitle: What load sends, edition %d\nroles:\n", edition)
	for _, role := range []string{"sender", "receiver", "guest", "server"} {
		fmt.Fprintf(&pack, "  - {name: %s, title: %s}\n", role, role)
	}
	pack.WriteString("flows:\n")
	flow := func(id, from, to, proto, ports, rest string) {
		fmt.Fprintf(&pack, "  - {id: %s, title: %s, from: [%s], to: [%s], proto: %s, ports: [%q], source_ports: any, need: optional, occurrence: on-demand%s}\n", id, id, from, to, proto, ports, rest)
	}
	ports := fmt.Sprintf("%d-%d", steadyPort, steadyPort+steadyPorts-1)
	flow("steady-tcp", "sender", "receiver", "tcp", ports, "")
	flow("steady-udp", "sender", "receiver", "udp", ports, ", reply: none")
	for i := range documented {
		flow(sessionFlow(i), "guest", "server", "tcp", fmt.Sprint(sessionPort+i), "")
	}
	return replace(dir+"/"+packFile, pack.String())
}

// breakPack writes a pack that is refused.
func breakPack(dir string) error { return replace(dir+"/"+packFile, "name: load\nflows: [") }

func replace(name, text string) error {
	if err := os.WriteFile(name+".new", []byte(text), 0o644); err != nil {
		return fmt.Errorf("write pack: %w", err)
	}
	return os.Rename(name+".new", name)
}
