package inspect

import "testing"

func TestSyslog(t *testing.T) {
	known := []string{"protocol syslog", "clear syslog message in clear"}
	for _, text := range []string{"<34>1 2003-10-11T22:14:15.003Z host su - ID47 - text\n", "<191>1 - - - - - -\n", "<0>Oct 11 22:14:15 host su: text\n", "<13>Jan  1 00:00:00 x\n"} {
		everyWay(t, overTCP(9, orig(text)), known...)
		everyWay(t, overTCP(9, orig(itoa(len(text))+" "+text)), known...)
		expect(t, overUDP(9, orig(text)), known...)
	}
	weak := "<189>27: *Mar 1 00:00:27: %SYS-5-CONFIG_I\n"
	everyWay(t, overTCP(601, orig(weak)), known...)
	expect(t, overUDP(514, orig(weak)), known...)
	for _, text := range []string{weak, "<192>1 - x", "<034>Oct 11 22:14:15 x", "<1><2>", "<a>b</a>", "<34>1 2003", "34 hello", "<34>\x01", "<"} {
		if facts, _, _ := run(t, overTCP(9, orig(text+"\n"), resp("\x00\x01"))...); facts[0].Value != "unknown" {
			t.Errorf("%q is %v", text, words(facts))
		}
	}
}
