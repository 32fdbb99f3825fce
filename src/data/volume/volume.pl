# devcluster's work beside a volume's directory, on the node that has it. All that is made is in `.devcluster/NAME` beside the
# directory, on the same file system, so that whole trees change places by a rename:
#   loading        a snapshot that is being unpacked
#   incoming       files, whole, that are to take the place of the volume's
#   swapping       the same while the volume's files go out; entering while they go in
#   unsettled      a file that says that a swap that was cut off is being ended
#   pristine       what was loaded last, and pristine-next before it is in the volume, too
#   spare          a copy of it for the next reset
#   stage          a copy of the volume's files as they were at one moment
use strict;
use warnings;
use Fcntl qw(:DEFAULT :flock);

my ($verb, $volume) = @ARGV;
$volume =~ s{/+$}{};
my ($above, $name) = $volume =~ m{^(.+)/([^/]+)$}s or die "$volume is no volume's directory\n";
-d $volume && !-l $volume or die "$volume is no directory on this node\n";
(stat _)[0] == (stat $above)[0] or die "$volume is a file system of its own: its files have no place beside it\n";
my $work = "$above/.devcluster/$name";
for my $directory ("$above/.devcluster", $work) {
    mkdir $directory, 0700 or $!{EEXIST} or die "$directory: $!\n";
}
# What is under way goes on, whoever asked for it: two never work beside one volume.
open my $lock, '>', "$work/lock" or die "$work/lock: $!\n";
flock $lock, LOCK_EX or die "$work/lock: $!\n";
$SIG{$_} = 'IGNORE' for qw(PIPE HUP);
my $number = 0;

sub run { system(@_) == 0 or die "`@_` failed\n" }
sub move { my ($from, $to) = @_; rename $from, $to or die "$from cannot be moved to $to: $!\n" }
sub there { return scalar lstat "$work/$_[0]" }
sub trash { for (@_) { move("$work/$_", "$work/trash-$$-" . time . '-' . $number++) if there($_) } }
sub clean { my @trash = glob "\Q$work\E/trash-*"; run('rm', '-rf', '--', @trash) if @trash }
sub synced { run('sync', '-f', $work) }
sub output { open my $from, '-|', @_ or die "$_[0]: $!\n"; local $/; my $text = <$from>; close $from or die "`@_` failed\n"; return $text }
sub used { return output('du', '-s', '--block-size=1', '--', $_[0]) =~ /^(\d+)/ ? $1 : 0 }
sub names {
    my ($directory) = @_;
    opendir my $handle, $directory or die "$directory: $!\n";
    my @names = grep { $_ ne '.' && $_ ne '..' } readdir $handle;
    return @names;
}
sub pending { return there('swapping') || there('entering') || there('unsettled') }
sub reflinks {
    my $probe = "$work/probe";
    open my $file, '>', $probe or die "$probe: $!\n";
    print $file 'x' x 65536;
    close $file;
    my $can = system("cp --reflink=always -- \Q$probe\E \Q$probe-copy\E 2>/dev/null") == 0 ? 1 : 0;
    unlink $probe, "$probe-copy";
    return $can;
}
sub copy { # a whole tree, there under its name only when all of it is
    my ($from, $to) = @_;
    trash("$to.partial");
    run('cp', '-a', '--reflink=auto', '--', $from, "$work/$to.partial");
    move("$work/$to.partial", "$work/$to");
}

sub like { return $work . (there('pristine-next') ? '/pristine-next' : '/pristine') }

# Puts a whole tree in place of the volume's files.
sub swap {
    my ($tree) = @_;
    trash('outgoing');
    mkdir "$work/outgoing", 0700 or die "$work/outgoing: $!\n";
    move("$work/$tree", "$work/swapping");
    move("$volume/$_", "$work/outgoing/$_") for names($volume);
    move("$work/swapping", "$work/entering");
    move("$work/entering/$_", "$volume/$_") for names("$work/entering");
    # Emptied, it is younger than it was.
    run('cp', '-aT', '--', "$work/entering", $volume);
    run('touch', '-r', like(), '--', $volume);
    if (there('pristine-next')) {
        trash('pristine', 'spare');
        move("$work/pristine-next", "$work/pristine");
    }
    rmdir "$work/entering" or die "$work/entering: $!\n";
    trash('outgoing');
}
# Ends a swap that was cut off. What went in was perhaps written since: all of it goes in anew.
sub settle {
    sysopen my $mark, "$work/unsettled", O_WRONLY | O_CREAT or die "$work/unsettled: $!\n";
    trash('swapping', 'entering', 'incoming');
    copy(like(), 'incoming');
    swap('incoming');
    unlink "$work/unsettled" or die "$work/unsettled: $!\n";
}
sub ready { # the spare copy for the next reset
    there('pristine') or die "nothing was loaded\n";
    return 0 if there('spare');
    copy("$work/pristine", 'spare');
    synced();
    return 1;
}

if ($verb eq 'space') {
    my ($free) = output('df', '--block-size=1', '--output=avail', '--', $work) =~ /(\d+)\s*$/ or die "df says nothing\n";
    printf "bytes=%s free=%s reflink=%d pending=%d pristine=%d spare=%d empty=%d\n", used($volume), $free, reflinks(),
        pending() ? 1 : 0, there('pristine') ? 1 : 0, there('spare') ? 1 : 0, names($volume) ? 0 : 1;
} elsif ($verb eq 'state') {
    printf "bytes=0 free=0 reflink=0 pending=%d pristine=%d spare=%d empty=%d\n", pending() ? 1 : 0,
        there('pristine') ? 1 : 0, there('spare') ? 1 : 0, names($volume) ? 0 : 1;
} elsif ($verb eq 'stage') {
    trash('stage');
    copy($volume, 'stage');
    print "done\n";
} elsif ($verb eq 'unstage') {
    trash('stage', 'stage.partial');
    clean();
    print "done\n";
} elsif ($verb eq 'unpack') {
    die "an interrupted swap has to be ended first\n" if pending();
    trash('stage', 'stage.partial', 'loading', 'incoming', 'incoming.partial', 'pristine-next', 'spare.partial');
    clean();
    mkdir "$work/loading", 0700 or die "$work/loading: $!\n";
    run('tar', '-C', "$work/loading", '-x', '-p', '-f', '-', '--numeric-owner', '--same-owner', '--acls', '--xattrs',
        '--xattrs-include=*', '--delay-directory-restore');
    print "unpacked\n";
} elsif ($verb eq 'arrive') {
    my $reflinks = reflinks();
    there('loading') or die "nothing was unpacked\n";
    copy("$work/loading", 'incoming');
    synced();
    move("$work/loading", "$work/pristine-next");
    printf "bytes=%s reflink=%d made=1\n", used("$work/incoming"), $reflinks;
} elsif ($verb eq 'swap') {
    die "an interrupted swap has to be ended first\n" if pending();
    there('incoming') && there('pristine-next') or die "nothing was unpacked\n";
    swap('incoming');
    print "done\n";
} elsif ($verb eq 'settle') {
    settle() if pending();
    print "done\n";
} elsif ($verb eq 'prepare') {
    trash('spare.partial');
    clean();
    my $made = ready();
    printf "bytes=%s reflink=%d made=%d\n", used("$work/spare"), reflinks(), $made;
} elsif ($verb eq 'ready') {
    printf "bytes=0 reflink=0 made=%d\n", ready();
} elsif ($verb eq 'reset') {
    die "an interrupted swap has to be ended first\n" if pending();
    there('spare') or die "no spare copy stands ready\n";
    # Of a load that never came to its swap.
    trash('loading', 'incoming', 'pristine-next');
    swap('spare');
    print "done\n";
} else {
    die "no such verb: $verb\n";
}
