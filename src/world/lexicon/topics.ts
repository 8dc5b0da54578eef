/**
 * What Punctual's small models do not do. A topic is a noun phrase or an activity; `refusal.ts` puts it
 * into sentences. Every fifth entry of each list is held out, so tests ask about unseen subjects.
 */

const list = (packed: string): readonly string[] =>
  packed
    .trim()
    .split(/\s*[,\n]\s*/u)
    .filter((entry) => entry !== "");

/** Completes "Tell me about …" and "What do you know about …". */
export const SUBJECTS: readonly string[] = list(`
the moon, the planet Mars, black holes, the Milky Way, dinosaurs, volcanoes, earthquakes, glaciers, coral reefs, whales,
sharks, penguins, bees, spiders, wolves, elephants, the human heart, the brain, vitamins, vaccines, headaches, back pain,
blood pressure, allergies, the flu, broken bones, diabetes, sleep disorders, the stock market, interest rates, bitcoin,
inflation, mortgages, pension funds, tax law, divorce law, copyright law, traffic law, contract law, elections, the senate,
the president, the prime minister, political parties, the cold war, world war two, the Roman empire, ancient Egypt,
the Vikings, the French revolution, Napoleon, Cleopatra, Julius Caesar, Shakespeare, Mozart, Beethoven, Picasso,
Leonardo da Vinci, Einstein, Newton, Darwin, quantum physics, relativity, gravity, atoms, chemistry, the periodic table,
photosynthesis, evolution, genetics, cloning, nuclear power, wind turbines, electric cars, jet engines, rockets, satellites,
submarines, bridges, skyscrapers, the Eiffel tower, the great wall, the pyramids, Mount Everest, the Amazon river,
the Sahara, the Pacific ocean, Antarctica, Iceland, Brazil, Japan, Kenya, Portugal, Norway, Peru, Vietnam, Canada, Egypt,
Greece, India, Poland, Ireland, Chile, Morocco, Thailand, Sweden, Cuba, Nepal, the Olympic games, the world cup, baseball,
chess openings, boxing, formula one, the tour de France, surfing, famous actors, movie stars, pop singers, rappers,
the royal family, fashion models, horror movies, anime, video games, superheroes, fairy tales, Greek myths, ghosts, aliens,
astrology, horoscopes, tarot cards, dreams, religion, philosophy, the meaning of life, ethics, psychology, love, friendship,
dating, marriage, parenting, school exams, college essays, job interviews, salaries, real estate, insurance, credit cards,
lottery numbers, horse racing, poker, wine, beer, cheese making, sourdough, sushi, barbecue, vegan diets, fasting, yoga,
weight loss, muscle building, marathons, tattoos, makeup, hair styles, perfume, jewelry, fashion, knitting, origami,
pottery, oil painting, photography, film editing, jazz history, opera singers, ballet, theater, museums, libraries,
airports, train strikes, cheap flights, hotels in Rome, beaches in Spain, visas, passports abroad, hurricanes, tornadoes,
climate change, rain forests, recycling laws, farm animals, horse breeds, dog breeds, cat diseases, snakes, frogs, insects,
mushroom hunting, wild berries, gold mining, oil prices, diamonds, steel, paper making, printing, the internet, hackers,
computer viruses, encryption, cloud computing, social media, smartphones, search engines, robots, drones, self-driving cars,
virtual reality, web design, databases, operating systems, compilers, algorithms, calculus, algebra, geometry, statistics,
prime numbers, logic puzzles, riddles, crossword puzzles, magic tricks, card games, board games, party games, jokes,
proverbs, grammar, spelling rules, French verbs, German nouns, Chinese characters, sign language, Latin, poetry, novels,
science fiction, detective stories, biographies, newspapers, radio shows, television shows, cartoons, comic books, puppets,
circus animals, zoos, aquariums, national parks, hiking trails, skiing, sailing, scuba diving, rock climbing, parachutes,
hot air balloons, steam trains, motorcycles, trucks, ferries, canals, castles, knights, pirates, cowboys, samurai, gladiators,
emperors, queens, popes, saints, monks, temples, cathedrals, wedding customs, funerals, carnivals, Christmas, Halloween,
new year traditions, birthdays of stars, names for babies, family trees, old coins, rare stamps, antiques, auctions,
bank robberies, famous crimes, prisons, the police, the army, spies, war planes, tanks, peace treaties, refugees, borders,
the United Nations, world trade, poverty, hunger, charity, trade unions, strikes, minimum wage, unemployment, start-ups,
advertising, brands, logos, slogans, opinion polls, census data, maps of Asia, capital cities, flags, anthems, currencies,
the solar eclipse, comets, meteor showers, the north pole, desert plants, sea turtles, butterflies, owls, crocodiles,
kangaroos, giraffes, octopuses, hay fever, migraines, asthma, kidney stones, eye surgery, dental implants, hedge funds,
the gold standard, bankruptcy, custody battles, patents, the supreme court, human rights, the Aztecs,
the Mongol empire, Joan of Arc, Genghis Khan, Van Gogh, Chopin, Galileo, Marie Curie, Gandhi, string theory,
radioactivity, antimatter, stem cells, solar panels, magnetism, semiconductors, the Suez crisis, the Taj Mahal,
Stonehenge, the Nile, Finland, Argentina, Turkey, Mexico, Australia, cricket rules, golf, karate, wrestling,
soap operas, vampires, zombies, dragons, mermaids, palm reading, stoicism, happiness, jealousy, nightclubs, whisky,
chocolate making, meditation, calligraphy, street art, cruise ships, avalanches, acid rain, blockchain,
machine learning, trigonometry, sonnets`);

/** Completes "Can you …" and "I want you to …". */
export const ACTIVITIES: readonly string[] = list(`
write a poem, write a song, write a story, write a novel, write an essay, write a speech, write a letter of complaint,
write a love letter, write a cover letter, write a movie script, write a tweet, write a blog post, write a haiku,
write a limerick, write a rap, write a Python script, write a web page, write a shell script, write unit tests,
write a sorting function, fix my code, debug this program, explain this error, build an app, design a website,
train a neural network, hack a website, guess my password, break into an account, draw a cat, draw a house, paint a sunset,
design a logo, make a video, edit my photo, sing a song, tell me a joke, tell me a riddle, tell a ghost story, play chess with me,
play a game, read my palm, read my horoscope, predict the future, pick lottery numbers, buy stocks, sell my shares,
file my taxes, plan my budget, find me a lawyer, write my will, sue my neighbor, diagnose my rash, cure my cold,
check my blood test, suggest a medicine, plan a diet, plan a workout, plan a vacation, book a flight, book a hotel,
rent a car, find a restaurant, order a pizza, give me a recipe, cook a lasagna, bake a wedding cake, mix a cocktail,
translate this to French, translate this to Spanish, translate a letter, speak German, teach me Italian, teach me the piano,
teach me to dance, correct my grammar, summarize a book, summarize the news, review a movie, recommend a film,
recommend a book, recommend a phone, compare two cars, rate my outfit, choose a gift, name my baby, name my dog,
be my friend, marry me, do my homework, solve a riddle, solve this equation for x, prove a theorem, draw a graph,
explain gravity, explain a dream, explain the news, fix my marriage, write a dating profile, find me a job, call the police,
send an email, post a photo, drive my car, fly a plane, land on the moon, build a bomb, pick a lock, forge a letter,
cheat on a test, spy on my boss, find an address, track a person, tell my fortune, give legal advice, give medical advice,
invest my money, open a bank account, get a loan, vote for me, start a petition, organize a protest, write a law,
write a screenplay, write a press release, write a wedding toast, write a resignation letter, compose a symphony,
invent a new word, write some SQL, set up a firewall, scan for viruses, design a bridge, draw a dragon,
sketch my portrait, paint a mural, carve a statue, whistle a tune, dance the tango, juggle five balls,
do a magic trick, tell me a fairy tale, roll the dice, flip a coin, bet on a horse, trade crypto, get a mortgage,
write a contract, read an x-ray, heal a wound, lower my cholesterol, plan a honeymoon, find a cheap cruise,
park my truck, repair an engine, roast a turkey, brew some ale, speak Russian, teach me sign language,
explain the offside rule, analyze a poem, pick a movie, solve a murder, interpret a painting, coach my team,
win an election, raise a puppy, train a parrot, climb a mountain`);

/** Whole questions outside the world. */
export const QUESTIONS: readonly string[] = list(`
Who is the president of France?, What is the capital of Mongolia?, How far is the sun?, Why is the sky blue?, Who wrote Hamlet?,
When did the war end?, How old is the earth?, What causes rain?, Who painted the Mona Lisa?, How tall is the Eiffel tower?,
Who won the election?, What is the meaning of life?, How do planes fly?, How do I lose weight?, Why do cats purr?,
What is the best phone?, Who is the richest man?, How do I make sushi?, What is a black hole?, Where is Timbuktu?,
What does a lawyer earn?, How do vaccines work?, Is there life on Mars?, What is the speed of light?, How deep is the ocean?,
Who invented the telephone?, How do I learn Spanish?, What is the largest animal?, Should I buy bitcoin?, When is the next eclipse?,
Will it rain tomorrow?, What is the weather in Paris?, Is it going to snow?, Who won the game last night?, What is the news today?,
How do I write a will?, Can I sue my boss?, What is good for a sore throat?, Why does my head hurt?, How many bones do we have?,
Who sang Yesterday?, What is the best movie?, How do I bake bread?, Is coffee healthy?, What rhymes with orange?,
How do I tie a tie?, What is a haiku?, Who was Cleopatra?, Why do we dream?, What is love?, How do magnets work?,
How do I fix a flat tire?, Which car is fastest?, How do I get a visa?, What is the tallest mountain?, Who discovered America?,
What language do they speak in Peru?, How do I grow tomatoes?, When was Rome founded?, Which team is the best?,
How does a computer work?, What is the square root of two?, What is Python?, How do I center a div?, What is a pointer?,
How do I reverse a string?, Which stock should I buy?, What are the symptoms of flu?, How do I get rid of ants?,
What is the plot of Macbeth?, Are ghosts real?, Do aliens exist?, What is my horoscope?, What is the date of Easter?,
Who are you going to vote for?, What do you think about politics?, Is war ever right?, How do I become famous?,
What is the fastest bird?, How long do turtles live?, Why is the sea salty?, What is inside the earth?, How hot is the sun?,
Who built the pyramids?, What is the capital of Australia?, How far away is the moon?, Why do leaves turn red?,
Who wrote Don Quixote?, When was the printing press invented?, How old is the universe?, What causes thunder?,
Who composed the Four Seasons?, How long is the Nile?, Who is the king of Spain?, Why do people lie?,
How do submarines work?, How do I build muscle?, Why do dogs bark?, What is the best laptop?,
Who is the tallest person alive?, How is cheese made?, What is a supernova?, Where is Madagascar?,
What does a pilot earn?, How does the heart work?, Is there water on the moon?, What is absolute zero?,
How deep can whales dive?, Who invented the light bulb?, How do I learn the violin?, What is the smallest country?,
Should I sell my shares?, When is the next full moon?, Will it be sunny on the weekend?, How is the weather in London?,
Is a storm coming?, Who won the world cup?, What happened in the world this week?, How do I get divorced?,
Can my landlord evict me?, What helps against a cough?, Why is my back sore?, How many teeth does a shark have?,
Who played James Bond?, What is the longest novel?, How do I cook a steak?, Is sugar bad for me?,
What rhymes with silver?, How do I braid hair?, What is a sonnet?, Who was Socrates?, Why do we yawn?,
What is happiness?, How do lasers work?, How do I change my oil filter?, Which airline is the safest?,
How do I become a citizen?, What is the deepest lake?, Who first climbed Mount Everest?,
Which languages are spoken in Belgium?, How do I prune roses?, When did the Titanic sink?,
Which football club is the richest?, How does wifi work?, What is the value of pi?, What is JavaScript?,
How do I write a loop?, What is recursion?, Are house prices going to fall?, What are the signs of diabetes?,
How do I catch a mouse?, Who dies at the end of Hamlet?, Is Bigfoot real?`);

/** Meaningless input. */
export const NOISE: readonly string[] = list(`
asdf, qwerty, blah blah blah, lorem ipsum, xyzzy, foo bar baz, hjkl hjkl, zzzzzz, la la la, abracadabra, wibble wobble,
qwe rty uio, mmm hmm grr, bla, dfgh dfgh, ping pong pang, tick tock tuck, hocus pocus, ooga booga, skdjfh, aaaaaaa, plop,
ding dang dong, fizz buzz, klaatu barada, shabada, jkl jkl, snip snap snorum, boing boing, whoosh, tra la la, yada yada,
zxcvbn, poiuy, wah wah wah, dolor sit amet, plugh, quux corge, vbnm vbnm, xxxxxx, doo bee doo, alakazam, flim flam,
uio pas dfg, pfff, blub, ghjk ghjk, bing bang bong, zig zag zug, shazam, oomph, hehehe, ptui ptui, kersplat,
drr drr drr`);
