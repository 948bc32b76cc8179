package capture

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// webProgram is "ip and tcp port 80" on Ethernet.
const webProgram = `13
40 0 0 12
21 0 10 2048
48 0 0 23
21 0 8 6
40 0 0 20
69 6 0 8191
177 0 0 14
72 0 0 14
21 2 0 80
72 0 0 16
21 0 1 80
6 0 0 262144
6 0 0 0
`

func TestParseFilterProgram(t *testing.T) {
	for _, c := range []struct{ name, text, problem string }{
		{"returns", "1\n6 0 0 262144\n", ""},
		{"other line ends", "2\r\n0 0 0 7\r\n22 0 0 0\r\n\r\n", ""},
		{"memory on both ways", "6\n40 0 0 12\n21 1 0 2048\n2 0 0 3\n96 0 0 3\n22 0 0 0\n6 0 0 0\n", "line 5: memory word 3 is read and may not have been stored"},
		{"memory stored before", "4\n2 0 0 15\n5 0 0 0\n96 0 0 15\n22 0 0 0\n", ""},
		{"empty", "", `line 1: "" is not a number of instructions: give the output of tcpdump -ddd`},
		{"an expression", "tcp port 80", `line 1: "tcp port 80" is not a number of instructions: give the output of tcpdump -ddd`},
		{"nothing", "0\n", "line 1: 0 instructions: a program has 1 to 4096"},
		{"too many", "4097\n", "line 1: 4097 instructions: a program has 1 to 4096"},
		{"cut", "3\n40 0 0 12\n6 0 0 0\n", "line 1: 3 instructions announced, 2 lines follow"},
		{"text of tcpdump -d", "2\n(000) ldh [12]\n(001) ret #0\n", `line 2: "(000) ldh [12]" is not an instruction: code, jt, jf and k`},
		{"jump beyond a byte", "2\n21 256 0 1\n6 0 0 0\n", `line 2: "256" is not a number of 8 bits`},
		{"negative", "2\n40 0 0 -4096\n6 0 0 0\n", `line 2: "-4096" is not a number of 32 bits`},
		{"no return", "2\n6 0 0 0\n40 0 0 12\n", "line 3: the program does not end with a return"},
		{"jump over the end", "2\n21 1 0 1\n6 0 0 0\n", "line 2: jump over 1 instructions, 1 follow"},
		{"long jump over the end", "2\n5 0 0 1\n6 0 0 0\n", "line 2: jump over 1 instructions, 1 follow"},
		{"jump back", "2\n5 0 0 4294967295\n6 0 0 0\n", "line 2: jump over 4294967295 instructions, 1 follow"},
		{"unknown", "2\n255 0 0 0\n6 0 0 0\n", "line 2: code 255 is none of an instruction"},
		{"division", "2\n52 0 0 0\n6 0 0 0\n", "line 2: division by 0"},
		{"shift", "2\n100 0 0 32\n6 0 0 0\n", "line 2: shift by 32 bits of 32"},
		{"memory", "2\n2 0 0 16\n6 0 0 0\n", "line 2: memory word 16 of 16"},
		{"VLAN tag of the kernel", "2\n48 0 0 4294963248\n6 0 0 0\n", ""},
		{"nothing of the kernel", "2\n48 0 0 4294963264\n6 0 0 0\n", "line 2: load at offset -4032: nothing is there"},
	} {
		program, err := ParseFilterProgram(c.text)
		switch {
		case c.problem == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.problem != "" && (err == nil || program != nil || err.Error() != "reading a filter program: "+c.problem):
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestFilterProgramRuns(t *testing.T) {
	program, err := ParseFilterProgram(webProgram)
	if err != nil {
		t.Fatal(err)
	}
	frame := ethernetTCP(outsideOf(localhost), localhost)
	for _, c := range []struct {
		port byte
		kept uint32
	}{{80, 262144}, {81, 0}} {
		frame[37] = c.port
		if got := runFilter(program, filteredPacket{data: frame}); got != c.kept {
			t.Errorf("port %d: %d", c.port, got)
		}
	}
}

// printFilter writes a program as tcpdump -ddd does.
func printFilter(program []FilterInstruction) string {
	var b strings.Builder
	fmt.Fprintln(&b, len(program))
	for _, in := range program {
		fmt.Fprintln(&b, in.Op, in.Jt, in.Jf, in.K)
	}
	return b.String()
}

// filterExpressions are compiled by tcpdump where it is here.
var filterExpressions = []string{"", "tcp", "ip6 and udp", "tcp port 443", "host 10.0.0.1 or net 192.168.0.0/16", "vlan and tcp", "vlan 7 and ip6", "portrange 1000-2000",
	"not arp and not icmp", "tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn", "ip[2:2] > 576", "ether broadcast", "icmp6 and ip6[40] == 135", "net 2001:db8::/32",
	"less 100", "ether proto 0x88cc or mpls", "src host 10.9.8.7 and dst portrange 1-1023 and not udp", "ip proto 47", "ip6 protochain 6"}

func tcpdumpProgram(t *testing.T, expression string) string {
	t.Helper()
	out, err := exec.Command("tcpdump", "-y", "EN10MB", "-ddd", expression).Output()
	if err != nil {
		t.Skipf("tcpdump cannot compile %q here: %v", expression, err)
	}
	return string(out)
}

func TestParseFilterProgramOfTcpdump(t *testing.T) {
	for _, expression := range filterExpressions {
		t.Run(expression, func(t *testing.T) {
			text := tcpdumpProgram(t, expression)
			program, err := ParseFilterProgram(text)
			if err != nil {
				if expression == "ip6 protochain 6" && strings.Contains(err.Error(), "jump over") { // it has a loop, which the kernel refuses too
					return
				}
				t.Fatal(err)
			}
			if got := printFilter(program); got != text {
				t.Errorf("got\n%swant\n%s", got, text)
			}
		})
	}
}

// FuzzParseFilterProgram: what is accepted prints as what it is, and ends.
func FuzzParseFilterProgram(f *testing.F) {
	f.Add(webProgram)
	f.Add("2\n48 0 0 4294963248\n6 0 0 0\n")
	f.Add("4\n2 0 0 15\n5 0 0 0\n96 0 0 15\n22 0 0 0\n")
	network, _ := NetworkProgram(alwaysPrefixes, nil)
	f.Add(printFilter(network))
	frame := ethernetTCP(outsideOf(localhost), localhost)
	f.Fuzz(func(t *testing.T, text string) {
		program, err := ParseFilterProgram(text)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "reading a filter program: line ") {
				t.Error(err)
			}
			return
		}
		again, err := ParseFilterProgram(printFilter(program))
		if err != nil || len(again) != len(program) {
			t.Errorf("%d instructions, printed and read again %d: %v", len(program), len(again), err)
		}
		runFilter(program, filteredPacket{data: frame, hardware: hardwareEthernet})
	})
}
