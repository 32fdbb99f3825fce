# devcluster's guard on a node: keeps containers frozen for as long as its standard input is open and says something. However
# it ends, they run again; what a killed guard left frozen the next one thaws. Knows both of the kernel's freezers:
# cgroup v2 (cgroup.freeze, Documentation/admin-guide/cgroup-v2.rst) and v1 (freezer.state, cgroup-v1/freezer-subsystem.rst).
use strict;
use warnings;
use Fcntl qw(:DEFAULT);

my ($silence, @ids) = @ARGV;
my $root = '/sys/fs/cgroup';
my $tasks = '/run/containerd/io.containerd.runtime.v2.task/k8s.io';
my $records = '/run/devcluster';
my $record = "$records/frozen-$$";
my $is_v2 = -e "$root/cgroup.controllers";
my ($kill, %frozen) = (0);
$| = 1;
$SIG{PIPE} = 'IGNORE';
mkdir $records, 0700;

sub get { my ($path) = @_; open my $file, '<', $path or return ''; local $/; my $text = <$file>; return $text // '' }
sub put { my ($path, $text) = @_; open my $file, '>', $path or return 0; return print($file $text) && close $file }
sub cgroup { # the directory of a process's cgroup that freezes
    my ($process) = @_;
    for (split /\n/, get("/proc/$process/cgroup")) {
        return "$root$1" if $is_v2 && m{^0::(/.+)};
        return "$root/freezer$1" if !$is_v2 && m{^\d+:(?:[^:]*,)?freezer(?:,[^:]*)?:(/.+)};
    }
    return;
}
sub process_of {
    my ($id) = @_;
    return $1 if get("$tasks/$id/init.pid") =~ /^(\d+)/;
    for my $path (glob '/proc/[0-9]*/cgroup') {
        return $1 if index(get($path), $id) >= 0 && $path =~ m{^/proc/(\d+)/};
    }
    return;
}
sub set { my ($group, $on) = @_; return $is_v2 ? put("$group/cgroup.freeze", $on ? 1 : 0) : put("$group/freezer.state", $on ? 'FROZEN' : 'THAWED') }
sub is_frozen { my ($group) = @_; return $is_v2 ? get("$group/cgroup.events") =~ /^frozen 1/m : get("$group/freezer.state") =~ /^FROZEN/ }
sub thaw {
    for my $group (sort keys %frozen) {
        if ($kill) {
            put("$group/cgroup.kill", 1);
            kill 'KILL', $_ for get("$group/cgroup.procs") =~ /^(\d+)$/mg;
        }
        set($group, 0);
    }
    %frozen = ();
    unlink $record;
}
sub give_up { my ($why) = @_; thaw(); print "failed $why\n"; exit 1 }
END { thaw() }
$SIG{$_} = sub { exit 1 } for qw(INT TERM HUP);

for my $left (glob "$records/frozen-*") {
    my ($guard) = $left =~ /-(\d+)$/ or next;
    next if kill(0, $guard) && get("/proc/$guard/cmdline") =~ /perl/;
    set($_, 0) for split /\n/, get($left);
    unlink $left;
}
my %groups;
for my $id (@ids) {
    my $process = process_of($id) or next;
    my $group = cgroup($process) or give_up("the cgroup of container $id cannot be frozen");
    $group =~ /\Q$id\E/ || @ids == 0 or give_up("container $id has no cgroup of its own to freeze");
    $groups{$group} = 1;
}
put($record, join("\n", sort keys %groups) . "\n") or give_up("$record cannot be written: $!");
for my $group (sort keys %groups) {
    $frozen{$group} = 1;
    set($group, 1) or give_up("$group cannot be frozen: $!");
}
for my $group (sort keys %groups) {
    my $tries = 0;
    until (is_frozen($group)) {
        set($group, 1) unless $is_v2;
        ++$tries < 2000 or give_up("$group is not frozen after 10 s: a process of it does not stop");
        select undef, undef, undef, 0.005;
    }
}
printf "frozen %d\n", scalar keys %groups;
while (1) {
    my $ready = '';
    vec($ready, fileno(STDIN), 1) = 1;
    select($ready, undef, undef, $silence) or give_up("nothing was heard for $silence s");
    sysread(STDIN, my $said, 4096) or last;
    if ($said =~ /k/) { $kill = 1; print "kills\n" }
}
thaw();
print "thawed\n";
