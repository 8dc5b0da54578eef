/** Commands about music. */
import { music, roomOnly, volume, type Command } from "./draws.ts";
import { frames } from "../templates.ts";

export const MUSIC: readonly Command[] = [
  {
    tool: "play_music",
    draw: music,
    confirm: "Okay, playing {music} in the {room}.",
    family: frames(`
      !Play {music} in the {room}.
      !Play some {music} in the {room}.
      I want to hear {music} in the {room}.
      !Put on {music} in the {room}.
      !Put on some {music} in the {room}.
      In the {room}, play {music}.
      !Start {music} in the {room}.
      !Let me hear some {music} in the {room}.
      Some {music} in the {room} would be nice.
      I want some {music} in the {room}.
      ~!Start some {music} in the {room}.
      !Turn on {music} in the {room}.
      !Turn on some {music} in the {room}.
      I would like to hear {music} in the {room}.
      ~I would like some {music} in the {room}.
      I want to listen to {music} in the {room}.
      ~I would like to listen to {music} in the {room}.
      In the {room}, put on some {music}.
      ~In the {room}, I want to hear some {music}.
      {music} in the {room}, please.
      !Let us hear {music} in the {room}.
      !Fill the {room} with {music}.
      The {room} needs some {music}.
      ~The {room} needs {music}, put it on.
      !Play me some {music} in the {room}.
      It is too quiet in the {room}, play {music}.
      ~It is quiet in the {room}, play some {music}.
      !Play {music} for me in the {room}.
      !Give me {music} in the {room}.
      ?!Give us some {music} in the {room}.
      !Get some {music} going in the {room}.
      !Have {music} on in the {room}.
      !Start playing {music} in the {room}.
      !Switch on {music} in the {room}.
      !Bring some {music} to the {room}.
      ?!Make it {music} in the {room}.
      !Let {music} play in the {room}.
      !Let us listen to {music} in the {room}.
      In the {room}, start {music}.
      In the {room}, let me hear {music}.
      In the {room} I would like {music}.
      For the {room}: {music}.
      {music} for the {room}.
      ?Time for {music} in the {room}.
      We want to hear {music} in the {room}.
      We would like {music} in the {room}.
      ?We want some {music} in the {room}, please.
      I need some {music} in the {room}.
      I feel like {music} in the {room}.
      I am in the {room}, play {music}.
      I am in the {room} and want to hear {music}.
      There should be {music} in the {room}.
      The {room} is too quiet, play some {music}.
      ?How about some {music} in the {room}?
      How about {music} in the {room}?
      ?!Stream {music} over the speaker in my {room}.
      !Let {music} run in our {room} while I cook.
      ?!Send {music} to the speakers of the {room}.
      !Blast {music} through the {room} speakers.
      !Queue up {music} for our {room}.
      ?!Surprise our guests in the {room} with {music}.
      !Pick {music} as the music for my {room}.
      !Choose a bit of {music} for the {room} tonight.
      ?!Entertain us with {music} in the {room}.
      !Wake up everyone in the {room} with {music}.
      !Liven up our {room} with a bit of {music}.
      !Find {music} and play it in the {room}.
      !Get the {room} speaker to play {music}.
      !Use the speaker in my {room} for {music}.
      !Treat me to {music} while I sit in the {room}.
      !Begin with {music} in the {room} now.
      !Throw on some {music} in our {room} because I am bored.
      !Stick {music} on in the {room}.
      !Have our {room} speaker play us {music}.
      !Let my kids dance to {music} in the {room}.
      {room} speaker, play {music}.
      {room} music: {music}.
      {music} over in our {room} now.
      {music} is what I want to hear in my {room}.
      {music} would go well with dinner in the {room}.
      Music for the {room}: some {music}.
      Time for {music} in our {room}.
      ?A bit of {music} for my {room}.
      May I have {music} in the {room} while I read?
      Could our {room} be treated to {music} this evening?
      Would {music} fit the mood in the {room}? Play it.
      ?Would you mind playing {music} in my {room}?
      Why is there no {music} in the {room} yet?
      ?Can I listen to {music} in the {room}?
      ?Shall we have some {music} in our {room}?
      I am cooking in the {room} and {music} would help.
      My friends are in the {room} and they want {music}.
      I am in the mood for {music}, so play it in the {room}.
      Nothing beats {music} in the {room}, so start it.
      The speaker in our {room} should be playing {music}.
      Dinner is ready, so we want {music} in the {room}.
      I work faster to {music}, so play it in my {room}.
      We are dancing in the {room}, so put on {music}.
      Over the {room} speakers, I would love {music}.
      ?With {music} on, our {room} would feel much nicer.
      !Put on some {music} in our {room}, please.
      !Start {music} for the guests in the {room}.
      ?!Let us hear {music} in the {room} this evening.
      !Let {music} play softly through the {room}.
      !Fill the {room} with {music} right away.
      !Turn on {music} for me in my {room}.
      !Bring a little {music} into the {room}, will you.
      ?!Get some {music} going in the {room} before dinner.
      !Have {music} playing in that {room} when we arrive.
      !Make sure the {room} has {music} on for the party.
      !See that {music} is heard in the {room} soon.
      !Give us {music} in the {room} while we cook.
      ?!Stream any {music} you find to the {room}.
      !Treat the {room} to some {music} now.
      !Find some nice {music} and play it in the {room}.
      {music} for the {room}, if possible right now.
      {music} would be lovely in the {room} tonight.
      ?{music} should be playing in our {room} by now.
      {music} is what I want to hear in the {room}.
      {music} on the {room} speaker, please.
      {music}, please, and in the {room} again.
      {room}: play {music} now
      ?{room} speaker on with {music}, please.
      {room} needs some {music} for a good mood.
      {room} is too quiet, so put {music} on.
      The {room} could use some {music} today.
      The {room} is so silent, how about {music} for us?
      ?The guests in the {room} would enjoy {music}.
      The kids want to dance to {music} in the {room}.
      The speaker in the {room} should play {music} instead.
      The baby falls asleep best with {music} in the {room}.
      Could we have {music} in the {room} for dinner?
      ?Could I listen to {music} in my {room}, please?
      Would you mind playing some {music} in the {room}?
      Is there any {music} you could play in the {room}?
      Is there a way to hear {music} in the {room}?
      Can the {room} have {music}, too?
      ?Can you start up some of that {music} in our {room}?
      Will you put {music} on for mother in the {room}?
      How about a bit of {music} in the {room} this afternoon?
      May we hear {music} while we work in the {room}?
      What about {music} in the {room}, just for us?
      ?I'd love some {music} in the {room} while I read.
      I would rather have {music} on in the {room} today.
      I feel like listening to {music} in the {room}.
      I am in the {room} and would enjoy some {music}.
      I want {music} to come from the {room} speakers.
      ?I need {music} to clean the {room}.
      I miss {music} in our {room}, put it on again.
      It is time for {music} in the {room}.
      It would be nice to have {music} around the {room}.
      We are sitting in the {room} and want {music}.
      ?We would enjoy our {room} more with {music} playing.
      My {room} without {music} is boring, so play some.
      Our {room} should sound of {music} when the guests come.
      In the {room} we would like to hear {music}.
      For the {room}, some {music}, please, nice and gentle.
      ?With some {music} the {room} would feel cozier, so start it.
      Some {music} over in the {room}, will you?
      Music for the {room}: {music}`),
  },
  {
    tool: "set_volume",
    draw: volume,
    confirm: "Okay, the volume is at {percent} percent.",
    family: frames(`
      !Set the volume to {percent} percent.
      !Turn the volume to {percent}.
      Volume {percent}.
      !Make it {percent} percent loud.
      !Put the volume at {percent} percent.
      The volume should be {percent} percent.
      !Set the volume to {percent}.
      !Turn the volume to {percent} percent.
      ~!Put the volume to {percent}.
      !Change the volume to {percent} percent.
      ~!Change the volume to {percent}.
      I want the volume at {percent} percent.
      !Bring the volume to {percent} percent.
      !Set the sound to {percent} percent.
      !Play it at {percent} percent volume.
      The volume should be at {percent}.
      The sound should be {percent} percent loud.
      ~The sound should be at {percent} percent.
      Volume at {percent} percent.
      I would like the volume at {percent}.
      !Set it to {percent} percent volume.
      ~I would like {percent} percent volume.
      !Turn the sound to {percent}.
      ~!Bring the sound to {percent} percent.
      !Make the volume {percent} percent.
      !Make the sound {percent} percent loud.
      !Give me {percent} percent volume.
      ?!Get the volume to {percent} percent.
      !Take the volume to {percent}.
      !Turn it to {percent} percent.
      !Keep the volume at {percent} percent.
      !Set the sound to {percent}.
      !Set the speakers to {percent} percent.
      !Turn the speakers to {percent} percent.
      !Put the sound at {percent} percent.
      !Change the sound to {percent} percent.
      !Bring the volume to {percent}.
      ?!Play the music at {percent} percent.
      ?!Have the volume at {percent} percent.
      Volume to {percent}.
      Volume to {percent} percent, please.
      Sound at {percent} percent.
      {percent} percent volume.
      {percent} percent is loud enough.
      The volume has to be {percent} percent.
      ?I want the sound at {percent} percent.
      I need the volume at {percent}.
      I would like the sound at {percent} percent.
      ?We want the volume at {percent} percent.
      It is too loud, set the volume to {percent}.
      ?It is too quiet, turn the volume to {percent} percent.
      The music should be {percent} percent loud.
      !Lower the volume to {percent} percent.
      !Raise the volume to {percent} percent.
      !Drop the sound to {percent} percent because the baby sleeps.
      !Reduce the loudness to {percent} percent.
      !Crank the music up to {percent} percent.
      ?!Go down to {percent} percent with the volume.
      !Push the speaker volume up to {percent}.
      ?!Adjust the speaker to {percent} percent.
      !Fix the loudness at {percent} percent.
      !Let the music play at {percent} percent from now on.
      !Get the volume to exactly {percent} percent.
      !Move the volume slider to {percent}.
      ?!Dial the speaker down to {percent} percent.
      !Use {percent} percent as the volume.
      !Choose {percent} percent for the sound.
      !Hold the speakers at {percent} percent while I am on the phone.
      !Leave the volume on {percent} for the rest of the day.
      ?!Have the speaker play with {percent} percent volume.
      !Get the music down to {percent} percent.
      !Run the speakers on {percent} percent tonight.
      !Bump the sound up to {percent} percent.
      I can hardly hear the music, so go up to {percent} percent.
      My ears hurt, so bring the sound down to {percent} percent.
      The neighbors are complaining, so {percent} percent volume is enough.
      The baby is asleep, so keep the sound at {percent}.
      I love this song, so make the volume {percent}.
      ?We cannot hear the song, {percent} percent volume would be better.
      Speaker volume, {percent} percent.
      Loudness: {percent} percent.
      Sound level {percent}.
      Music volume on {percent}.
      ?{percent} percent on the speakers.
      {percent} is where I want the volume.
      {percent} percent of full volume would be just fine.
      ?Could we have the volume at {percent} percent?
      ?May I have the sound at {percent}?
      How about {percent} percent for the volume?
      ?Why not play this at {percent} percent volume?
      Is the volume at {percent}? If not, change it.
      Would {percent} percent volume be possible?
      What about turning the speakers to {percent}?
      For this song, the volume needs to be {percent}.
      With guests here, {percent} percent loudness is right.
      We would all prefer the speakers at {percent} percent.
      The right volume for dinner is {percent} percent.
      !Put the music at {percent} percent volume, please.
      !Turn the sound to {percent} percent right away.
      ?!Bring the loudness of the music to {percent} percent.
      !Change the speaker volume to {percent} percent for us.
      !Adjust the sound level, {percent} percent is right.
      !Make the music {percent} percent loud.
      !Make sure the volume stays at {percent} percent this evening.
      ?!See that the music plays at {percent} percent loudness.
      !Let the music run at {percent} percent volume now.
      !Let us hear the song at {percent} percent volume.
      !Have the speakers set to {percent} percent, will you.
      !Go to {percent} percent with the sound, please.
      ?!Move the volume over to {percent} percent again.
      !Keep the music volume at {percent} percent while the baby sleeps.
      !Fix the loudness at {percent} percent until the guests leave.
      !Use {percent} percent volume for the next song.
      !Play it at {percent} percent volume instead.
      ?!Take the sound to around {percent} percent, if possible.
      {percent} percent volume, please.
      {percent} percent on the speakers, the neighbors are home.
      {percent} percent loudness is enough for the music.
      {percent} percent would be a better volume for dinner.
      ?{percent} percent is how loud I want the music.
      {percent} percent sound, right now, please.
      {percent} percent is the right volume for a party.
      {percent} percent music volume
      {percent} percent loud, that is how the music should be.
      ?At {percent} percent volume the music would be just right.
      With {percent} percent volume we could all hear it.
      Volume: {percent} percent
      Volume at {percent} percent, please, I can't hear a thing.
      Music volume, {percent} percent, when you can.
      ?Sound level {percent} percent
      Loudness to {percent} percent, please, we are talking here.
      The music isn't right like this, try {percent} percent volume.
      The sound needs to be at {percent} percent today.
      The speakers may go to {percent} percent now.
      ?The song is hard to hear, so {percent} percent volume, please.
      The kids are asleep, so only {percent} percent volume from now on.
      The loudness can be {percent} percent for this song.
      Could we have the sound at {percent} percent?
      Could the volume be {percent} percent before the guests come?
      ?Would you mind setting the loudness to {percent} percent?
      Would {percent} percent volume be possible for a while?
      Is there a way to get the music to {percent} percent loudness?
      Why isn't the volume at {percent} percent yet?
      Can the speakers play at {percent} percent, please?
      ?Can I have my music at {percent} percent volume, too?
      Will you put the sound level on {percent} percent for me?
      How about {percent} percent volume for the music?
      Shall we try the speaker volume at {percent} percent?
      I'd love the music at {percent} percent loudness tonight.
      ?I would rather listen at {percent} percent volume.
      I want the sound to be {percent} percent, not more.
      I need exactly {percent} percent volume on the speaker.
      I like my songs at {percent} percent loudness, please.
      I asked for a volume of {percent} percent, remember?
      ?It is time to put the volume at {percent} percent.
      We can't talk over this music, {percent} percent volume is plenty.
      My ears hurt, so no more than {percent} percent volume.
      Our music is best at {percent} percent loudness, so do that.`),
  },
  {
    tool: "stop_music",
    draw: roomOnly,
    confirm: "Okay, the music in the {room} is off.",
    family: frames(`
      !Stop the music in the {room}.
      !Turn off the music in the {room}.
      No more music in the {room}.
      !Switch the music off in the {room}.
      !Turn the music off in the {room}.
      Music off in the {room}.
      ~!Switch off the music in the {room}.
      !Stop playing music in the {room}.
      !Stop the {room} music.
      ~!Turn off the {room} music.
      I want no music in the {room}.
      ~I want no more music in the {room}.
      The music in the {room} should stop.
      The music in the {room} is too loud, stop it.
      !End the music in the {room}.
      ~!End the {room} music.
      Enough music in the {room}.
      I do not want music in the {room}.
      !Make the music stop in the {room}.
      It is too loud in the {room}, turn off the music.
      ~The {room} music is too loud, turn it off.
      No music in the {room}, please.
      !Stop music in the {room}.
      !Stop the music that plays in the {room}.
      !Stop all music in the {room}.
      ?!Stop playing in the {room}.
      !Get the music off in the {room}.
      !Put the music off in the {room}.
      !Have the music off in the {room}.
      !Shut off the music in the {room}.
      !Shut the {room} music off.
      !Switch the {room} music off.
      ?!Turn the {room} music off.
      !Let the music stop in the {room}.
      !Make it quiet in the {room}.
      ?In the {room}, stop the music.
      In the {room}, turn the music off.
      ?For the {room}: music off.
      The music in the {room} should be off.
      The music in the {room} has to stop.
      ?The {room} music should end.
      I would like no music in the {room}.
      I do not want to hear music in the {room} anymore.
      I want it quiet in the {room}.
      We want no music in the {room}.
      We do not need music in the {room}.
      There is music in the {room}, turn it off.
      The music in the {room} is still on, stop it.
      I am leaving the {room}, stop the music.
      That is enough music in the {room}.
      !Silence the music in my {room}.
      !Kill the music in our {room} right now.
      !Cut the {room} music because I have a call.
      !Quit playing songs in the {room}.
      !Turn the music speaker in the {room} off so I can sleep.
      !Stop whatever song is playing in the {room}.
      ?!Turn off the song in my {room} before I go.
      !Cancel the music for our {room}.
      !Turn off the tunes in the {room}.
      !Shut the music in our {room} down while I study.
      !Put an end to the music in my {room}.
      !Bring the music in the {room} to an end.
      !Get rid of the music in our {room}.
      !Give us a rest from the music in the {room}.
      !Stop every song that plays in my {room}.
      !Spare me the music in the {room}.
      !Keep the speakers of the {room} from playing music.
      ?!Let the {room} be without music tonight.
      {room} music, off.
      {room} songs, stop.
      ?Music off, {room}.
      Do not play any more songs in our {room}.
      The baby sleeps in the {room}, so no music there.
      I have a headache, so stop the {room} music.
      The party in our {room} is over, turn off the music.
      ?I am on the phone in the {room}, so stop playing music.
      I cannot think with that music in my {room}.
      ?I cannot sleep while music plays in the {room}.
      Nobody is listening to the music in our {room} anymore.
      Why is music still playing in the {room}? Turn it off.
      ?Could we have no music in the {room} for now?
      May I have my {room} without music?
      Is there music in the {room}? Then stop it.
      Does the music in our {room} have to be on?
      Would you mind ending the music in the {room}?
      How about no more songs in my {room}?
      ?Nobody is in the {room}, so the music can stop.
      The song in our {room} gets on my nerves, stop it.
      We have heard enough songs in the {room}.
      From the {room} I do not want to hear another song.
      The {room} speaker should not play music anymore.
      ?I would rather have the {room} without music.
      ?Over in the {room}, the music can end now.
      We are going to bed, so end the {room} music.
      My {room} should be free of music.
      ?!Turn off the music in our {room}, please.
      !Switch the {room} speaker off right away.
      ?!End the concert in the {room}, will you.
      !Silence the {room} speaker for us.
      !Cut the music in that {room} now.
      !Shut off the songs in the {room} before we leave.
      !Make the music in my {room} stop, please.
      ?!Make sure no more music plays in the {room} tonight.
      !See that the {room} speaker goes quiet.
      !Have the music stopped in the {room} this evening.
      !Let the {room} be quiet again, without music.
      !Let the music end in the {room}, the baby sleeps.
      ?!Put an end to that music from the {room}.
      !Kill the tunes in the {room}, I am on the phone.
      !Bring the playlist in the {room} to a stop.
      {room}: stop playing
      {room} music off, please, I want to sleep.
      ?{room} without music, please.
      {room} speaker off, we have heard enough.
      {room} songs are getting on my nerves, stop them.
      {room} should be free of music during dinner.
      The {room} music can stop now.
      ?The {room} doesn't need any music anymore.
      The {room} speaker is still playing, turn it off.
      The music in the {room} bothers me, please end it.
      The guests are leaving the {room}, so stop the music.
      The kids should do homework in the {room}, so no music.
      ?The songs from the {room} should stop right now.
      The tune in the {room} has to end, father is resting.
      There is music in the {room} but nobody is listening.
      Could we have no more music in the {room}, please?
      Could the music stop in our {room} for today?
      ?Would you mind turning the music off in the {room}?
      Would you end the playlist in my {room} soon?
      Is there a way to stop the songs in the {room}?
      Why is the music still playing in the {room}?
      Can the speaker in the {room} be silent, if possible?
      ?{room}, no more music there, if possible.
      Will you shut off the music for me in the {room}?
      Who needs music in the {room} at this hour? Stop it.
      How long will that music go on in the {room}?
      I'd love some silence from the {room} speaker.
      ?I would rather have the {room} without any songs.
      {room} playlist over, please, we are going out.
      I can't concentrate with this music in the {room}.
      I have heard enough music in the {room} today.
      {room} music needs to stop, the neighbors complained.
      ?It is time to end the music in the {room}.
      It is too late for music in the {room}, isn't it?
      {room} dancing is over, so the music can stop.
      We forgot to turn off the music in the {room}.
      My head hurts, so please stop the {room} music.
      ?{room} has had enough songs for now.
      Nobody is in the {room}, so the music is useless.
      Somebody left the music on in the {room}.
      Because we want to talk, no music in the {room}, please.
      Don't play any more songs in the {room}.
      ?Let us have no music in the {room} for a while.
      No more music for the {room}, please, mother is asleep.
      Enough music in the {room}, thank you.
      Music off in the {room} when you can.`),
  },
];
